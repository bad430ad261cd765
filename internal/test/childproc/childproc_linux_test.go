package childproc_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/childproc"
)

// parent makes a process of these tests start a child, print its id, and wait.
const parent = "HOOKFERRY_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(parent) != "" {
		p, err := childproc.Start(childproc.Command{Path: "/bin/sleep", Args: []string{"600"}})
		if err != nil {
			panic(err)
		}
		fmt.Println(p.Pid())
		_ = p.Wait()
	}
	os.Exit(m.Run())
}

// state returns the state of a process from /proc; Z and "" mean dead.
func state(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	letter, _, _ := strings.Cut(after, " ")
	return letter
}

func wantState(t *testing.T, pid int, want string) {
	t.Helper()
	await.NoError(t, func() error {
		if got := state(pid); got != want {
			return fmt.Errorf("process %d is %q, want %q", pid, got, want)
		}
		return nil
	})
}

func TestFreezeAndThaw(t *testing.T) {
	p := shell(t, childproc.Command{}, "exec sleep 600")
	wantState(t, p.Pid(), "S")
	p.Freeze()
	wantState(t, p.Pid(), "T")
	p.Thaw()
	wantState(t, p.Pid(), "S")
	p.Freeze()
	p.Kill()
	wantState(t, p.Pid(), "")
}

// A child ends with the tests, even if they are killed, and even if it is frozen.
func TestEndsWithItsParent(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		p, err := childproc.Start(childproc.Command{Path: self, Env: []string{parent + "=1"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		var child int
		await.NoError(t, func() error {
			child, err = strconv.Atoi(strings.TrimSpace(p.Output()))
			return err
		})
		wantState(t, child, "S")
		if frozen {
			if err := syscall.Kill(child, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			wantState(t, child, "T")
		}
		p.Kill()
		await.NoError(t, func() error {
			if s := state(child); s != "" && s != "Z" {
				return fmt.Errorf("the child is still there, as %q", s)
			}
			return nil
		})
	}
}

func TestChildren(t *testing.T) {
	p := shell(t, childproc.Command{}, "sleep 600 & echo $!; sleep 600 & echo $!; wait")
	var want []int
	await.NoError(t, func() error {
		want = want[:0]
		for _, line := range strings.Fields(p.Output()) {
			pid, _ := strconv.Atoi(line)
			want = append(want, pid)
		}
		if len(want) < 2 {
			return fmt.Errorf("the process has started %v", want)
		}
		return nil
	})
	got := childproc.Children(p.Pid())
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("children are %v, want %v", got, want)
	}
	for _, pid := range got { // otherwise p would wait for them, because they share its output
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestCPU(t *testing.T) {
	p := shell(t, childproc.Command{}, "while :; do :; done")
	await.NoError(t, func() error {
		if used := childproc.CPU(p.Pid()); used < 30*time.Millisecond {
			return fmt.Errorf("a loop has used %v", used)
		}
		return nil
	})
	p.Kill()
	if used := childproc.CPU(p.Pid()); used != 0 {
		t.Errorf("a process that has ended used %v", used)
	}
}
