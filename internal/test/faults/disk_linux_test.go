package faults

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/childproc"
)

// disk is a disk that can be filled and emptied while a service uses it.
type disk struct {
	dir  string
	fill func(s *service)
	room func(s *service)
}

// disks returns the kinds of disk that this machine supports: a separate file system needs
// permission to mount one.
func disks(t *testing.T) map[string]func(t *testing.T) disk {
	list := map[string]func(t *testing.T) disk{"no file may grow": limited}
	if dir := t.TempDir(); syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m") == nil {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Fatal(err)
		}
		list["a file system that is full"] = mounted
	} else {
		t.Log("no file system can be mounted here: the test uses a limit on the size of files instead")
	}
	return list
}

// mounted returns a small file system.
func mounted(t *testing.T) disk {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	return disk{dir, func(*service) {
		for size := 1 << 20; size >= 512; size /= 2 { // as much as fits
			for appendTo(ballast, size) == nil {
			}
		}
	}, func(*service) { _ = os.Remove(ballast) }}
}

func appendTo(path string, size int) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(make([]byte, size))
	return err
}

// limited returns a limit on the length of the service's files, which stops the growth of the log.
// To SQLite, it looks like a quota.
func limited(t *testing.T) disk {
	before := uint64(0)
	return disk{t.TempDir(), func(s *service) {
		before = limit(t, s.process.Pid(), syscall.RLIMIT_FSIZE, 512<<10)
	}, func(s *service) { limit(t, s.process.Pid(), syscall.RLIMIT_FSIZE, before) }}
}

// TestDiskFull fills the disk of a service under load, with attempts in flight whose outcomes can't
// be recorded then.
func TestDiskFull(t *testing.T) {
	for name, of := range disks(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, l := of(t), newLedger(t)
			s := serve(t, program, d.dir)
			sub := s.subscribe(l.endpoint.URL)
			const underWay = 8
			l.hang()
			l.posts(s, sub, underWay)
			await.NoError(t, func() error {
				if n := l.requests(); n < underWay {
					return fmt.Errorf("%d requests arrived", n)
				}
				return nil
			})
			d.fill(s)
			l.untilFull(s, sub)
			l.respond()
			s.wantFull(sub)
			s.wantIdle(l)

			d.room(s)
			await.NoError(t, func() error { return l.taken(s, sub) })
			await.NoError(t, func() error {
				a, err := s.call("GET", "/readyz", "")
				if err == nil && a.status != http.StatusOK {
					err = fmt.Errorf("/readyz: %d %s", a.status, a.text)
				}
				return err
			})
			if a := l.settle(s, 0); a.stray > 0 || a.refused == 0 {
				t.Errorf("%+v: a refused event was delivered, or no event was refused", a)
			}
			s.stop()
		})
	}
}

func (l *ledger) posts(s *service, sub string, n int) {
	l.t.Helper()
	for range n {
		if err := l.taken(s, sub); err != nil {
			l.t.Fatal(err)
		}
	}
}

// taken publishes an event that must be accepted.
func (l *ledger) taken(s *service, sub string) error {
	a, err := l.post(s, sub, event(10<<10))
	if err == nil && a.status != http.StatusAccepted {
		err = fmt.Errorf("an event got %d %s", a.status, a.text)
	}
	return err
}

// untilFull publishes until an event is refused with the right message.
func (l *ledger) untilFull(s *service, sub string) {
	l.t.Helper()
	for range 10_000 {
		a, err := l.post(s, sub, event(10<<10))
		if err != nil {
			l.t.Fatal(err)
		}
		if a.status == http.StatusAccepted {
			continue
		}
		if a.status != http.StatusInsufficientStorage || a.field("code") != "storage_full" || a.header.Get("Retry-After") == "" {
			l.t.Fatalf("an event on a full disk got %d %s, Retry-After %q", a.status, a.text, a.header.Get("Retry-After"))
		}
		return
	}
	l.t.Fatal("the disk did not fill up")
}

// wantFull asks everything that reports a full disk.
func (s *service) wantFull(sub string) {
	s.t.Helper()
	s.want(http.StatusOK, "GET", "/livez", "")
	s.want(http.StatusOK, "GET", "/subscriptions/"+sub, "") // stored data can be read
	for _, path := range []string{"/readyz", "/health"} {
		await.NoError(s.t, func() error { // their data is up to a second old
			a, err := s.call("GET", path, "")
			if err == nil && (a.status != http.StatusServiceUnavailable || !strings.Contains(a.text, "disk that holds the database is full")) {
				err = fmt.Errorf("%s: %d %s", path, a.status, a.text)
			}
			return err
		})
	}
}

// wantIdle checks that the service waits instead of retrying as fast as it can: while it can't
// record its outcomes, it uses less than half a CPU.
func (s *service) wantIdle(l *ledger) {
	s.t.Helper()
	const watch = 3 * time.Second
	start, before, lines := time.Now(), childproc.CPU(s.process.Pid()), len(s.process.Output())
	time.Sleep(watch)
	used := childproc.CPU(s.process.Pid()) - before
	s.t.Logf("%v of CPU time in %v, %d bytes of log", used, time.Since(start).Round(time.Millisecond), len(s.process.Output())-lines)
	if used > watch/2 {
		s.t.Errorf("it used %v of CPU time in %v with nothing to do", used, watch)
	}
}

// A service that starts on a full disk says so and exits. With free disk space, it starts, and
// delivers what was accepted before.
func TestStartOnAFullDisk(t *testing.T) {
	for name, of := range disks(t) {
		if name == "no file may grow" { // a limit of a process ends with it
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, l := of(t), newLedger(t)
			s := serve(t, program, d.dir)
			sub := s.subscribe(l.endpoint.URL)
			l.hang()
			l.posts(s, sub, 4)
			d.fill(s)
			l.untilFull(s, sub)
			s.process.Kill()
			d.fill(s) // the space that SQLite's index of the log has left
			again, ready := launch(t, program, d.dir)
			if text := again.process.Output(); ready || !strings.Contains(text, "is full: free some disk space") {
				t.Errorf("on a full disk: ready is %v, and the output is\n%s", ready, text)
			}
			again.process.Kill()
			d.room(nil)
			l.respond()
			s = serve(t, program, d.dir)
			l.settle(s, len(l.acknowledged)) // all of them were in flight
			s.stop()
		})
	}
}
