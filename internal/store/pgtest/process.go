package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// process is a running postmaster.
type process struct {
	pid   int
	ended chan struct{} // closed when it has ended

	mu  sync.Mutex
	out bytes.Buffer
}

// spawn starts a process that the kernel ends along with this one, where it can:
// tests that panic or are killed leave no server behind.
func spawn(path string, args []string, dir string, as *syscall.Credential) (*process, error) {
	p := &process{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel watches the thread that started the process, so that one must live on.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd := exec.Command(path, args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, p, p
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
		endWithParent(cmd.SysProcAttr)
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		_ = cmd.Wait()
		close(p.ended)
	}()
	return p, <-started
}

// Write keeps what the process prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func (p *process) signal(sig syscall.Signal) {
	select {
	case <-p.ended:
	default:
		_ = syscall.Kill(p.pid, sig)
	}
}

// children are the processes that a postmaster has started, by /proc where there is
// one: a small container has no ps.
func children(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	if len(stats) == 0 {
		out, _ := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
		return childrenOf(pid, strings.Split(string(out), "\n"))
	}
	var lines []string
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		_, after, _ := strings.Cut(string(stat), ") ") // the name before may hold anything
		if fields := strings.Fields(after); len(fields) > 1 {
			lines = append(lines, filepath.Base(filepath.Dir(path))+" "+fields[1])
		}
	}
	return childrenOf(pid, lines)
}

// childrenOf reads lines of a process id and its parent's.
func childrenOf(pid int, lines []string) []int {
	var pids []int
	for _, line := range lines {
		var child, parent int
		if _, err := fmt.Sscan(line, &child, &parent); err == nil && parent == pid {
			pids = append(pids, child)
		}
	}
	return pids
}

// unprivileged is whom the server runs as where we are root, which PostgreSQL refuses.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody to run it as")
}
