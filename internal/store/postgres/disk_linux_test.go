package postgres_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/childproc"
)

// TestDiskFull fills the file system of the tables. Writes and pings must fail with ErrFull at
// once, and everything that was accepted must be there when there is free disk space again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	if dir == "" { // if none can be mounted, the server simulates the error
		if err := postgres.Fail("write", &pgconn.PgError{Code: "53100"}); !errors.Is(err, event.ErrFull) {
			t.Errorf("53100 is %v", err)
		}
		return
	}
	alone, _ := own(t) // it is removed before the file system is
	space := newRival(t, alone.URL("postgres"))
	space.do(`CREATE TABLESPACE small LOCATION '` + dir + `'`)
	space.do(`CREATE DATABASE small TABLESPACE small TEMPLATE template0`)
	s := open(t, postgres.Options{URL: alone.URL("small")})
	sub := subscribed(t, s)
	taken := []event.ID{accept(t, s, offer(sub.ID, time.Now())).ID}
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)

	var err error
	for err == nil && len(taken) < 10_000 {
		a := offer(sub.ID, time.Now())
		a.Event.Payload = make([]byte, 64<<10)
		for i := range a.Event.Payload {
			a.Event.Payload[i] = byte(i * i >> 3 * len(taken)) // PostgreSQL can't compress this
		}
		if _, err = s.Accept(t.Context(), a); err == nil {
			taken = append(taken, a.Deliveries[0].ID)
		}
	}
	if !errors.Is(err, event.ErrFull) {
		t.Fatalf("after %d: %v, want ErrFull", len(taken), err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, event.ErrFull) {
		t.Errorf("ping on a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	await.NoError(t, func() error { _, err := s.Accept(t.Context(), offer(sub.ID, time.Now())); return err })
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("with free disk space again: %v", err)
	}
	for _, id := range taken {
		if _, err := s.Delivery(t.Context(), id); err != nil {
			t.Errorf("accepted and lost: %v", err)
		}
	}
}

// smallDisk mounts a small file system to which PostgreSQL may write, or returns "" if it can't.
func smallDisk(t *testing.T) string {
	dir, err := os.MkdirTemp("", "hookferry-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	user, err := childproc.Unprivileged("postgres", "nobody")
	if err != nil || user == nil || syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=48m,mode=700,uid=%d,gid=%d", user.Uid, user.Gid)) != nil {
		t.Log("no file system can be mounted here")
		return ""
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 4<<10; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
}
