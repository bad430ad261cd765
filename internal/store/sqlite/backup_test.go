package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/release010"
)

// load writes events until it is stopped.
type load struct {
	mu    sync.Mutex
	acked []event.ID
	wg    sync.WaitGroup
	stop  chan struct{}
}

// startLoad stores events of 4 KiB from eight goroutines, each leased, as ingest does.
func startLoad(t *testing.T, s *sqlite.Store) *load {
	t.Helper()
	at := time.Now()
	sub := event.Subscription{ID: event.NewID(at), TargetURL: "https://example.com/webhook", Active: true, CreatedAt: at, UpdatedAt: at}
	if err := s.CreateSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	l := &load{stop: make(chan struct{})}
	for range 8 {
		l.wg.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				a := acceptance(sub.ID)
				if _, err := s.Accept(context.Background(), a); err != nil {
					t.Errorf("accept: %v", err)
					return
				}
				l.mu.Lock()
				l.acked = append(l.acked, a.Event.ID)
				l.mu.Unlock()
			}
		})
	}
	return l
}

func acceptance(sub event.ID) event.Acceptance {
	at := time.Now()
	id := event.NewID(at)
	return event.Acceptance{
		Event: event.Event{ID: id, Type: "user.created", Payload: []byte(strings.Repeat("x", 4096)), CreatedAt: at},
		Deliveries: []event.Delivery{{
			ID: event.DeliveryID(id, sub), EventID: id, SubscriptionID: sub, DueAt: at, CreatedAt: at, LeaseOwner: "node", LeasedUntil: at.Add(time.Minute),
		}},
	}
}

func (l *load) acknowledged() []event.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked[:len(l.acked):len(l.acked)]
}

// A backup ends although the database is written to all the time, and contains every event that
// was acknowledged before it began.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	dir, to := t.TempDir(), filepath.Join(t.TempDir(), "copy.db")
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "hookferry.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l := startLoad(t, s)
	await.NoError(t, func() error {
		if len(l.acknowledged()) < 1500 { // several steps of the copy
			return errors.New("too few events")
		}
		return nil
	})
	before := l.acknowledged()
	size, err := sqlite.Backup(t.Context(), filepath.Join(dir, "hookferry.db"), to)
	during := len(l.acknowledged()) - len(before)
	close(l.stop)
	l.wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if during == 0 {
		t.Error("nothing was written during the backup, so this test shows nothing")
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 || info.Size() != size {
		t.Errorf("%v, %v; want a file of %d bytes that only its owner can read", info, err, size)
	}
	wantAlone(t, to)
	wantStarts(t, to, before)
}

// wantAlone fails the test if the directory contains any other file.
func wantAlone(t *testing.T, path string) {
	t.Helper()
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 || left[0].Name() != filepath.Base(path) {
		t.Errorf("beside the backup there is %v, %v", left, err)
	}
}

// wantStarts fails the test unless a service can start on a copy and finds these events pending.
func wantStarts(t *testing.T, path string, events []event.ID) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Now()
	findings, err := s.Audit(t.Context(), now, now.Add(-time.Hour))
	if err != nil || len(findings) > 0 {
		t.Errorf("the audit finds %v, %v", findings, err)
	}
	for _, id := range events {
		deliveries, err := s.EventDeliveries(t.Context(), id, 2)
		if err != nil || len(deliveries) != 1 {
			t.Fatalf("event %s, which was acknowledged before: %v, %v", id, deliveries, err)
		}
	}
	c, err := s.Claim(t.Context(), event.ClaimRequest{Owner: "after", Now: now, Until: now.Add(time.Minute), Limit: 100, Capacity: 100, Bytes: 1 << 20})
	if err != nil || len(c.Deliveries) != 100 {
		t.Errorf("%d deliveries are claimed, %v; want those that were leased", len(c.Deliveries), err)
	}
}

// A database that no service uses, one after a crash, and one of an older release are backed up
// unchanged.
func TestBackupOfAStoppedDatabase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason string
		make   func(t *testing.T) string
	}{
		{"a service that ended", func(t *testing.T) string { return filled(t, false) }},
		{"a service that crashed: events are only in the log", func(t *testing.T) string { return filled(t, true) }},
		{"release 0.1.0", func(t *testing.T) string { path, _ := release010.SQLite(t); return path }},
	} {
		path, to := tt.make(t), filepath.Join(t.TempDir(), "copy.db")
		want := countEvents(t, copyOf(t, path))
		if _, err := sqlite.Backup(t.Context(), path, to); err != nil {
			t.Fatalf("%s: %v", tt.reason, err)
		}
		wantAlone(t, to)
		if got := countEvents(t, to); got != want || want == 0 {
			t.Errorf("%s: %d events, want %d", tt.reason, got, want)
		}
		if s, err := sqlite.Open(t.Context(), to, sqlite.Options{}); err != nil {
			t.Errorf("%s: the copy does not start: %v", tt.reason, err)
		} else {
			s.Close()
		}
	}
}

// filled returns a database with events. If crashed is true, its log was not written back.
func filled(t *testing.T, crashed bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hookferry.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l := startLoad(t, s)
	await.NoError(t, func() error {
		if len(l.acknowledged()) < 100 {
			return errors.New("too few events")
		}
		return nil
	})
	close(l.stop)
	l.wg.Wait()
	if crashed {
		return copyOf(t, path)
	}
	return path
}

// copyOf copies the files of a database while no program writes to it.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "hookferry.db")
	write(t, to, read(t, path))
	if log, err := os.ReadFile(path + "-wal"); err == nil {
		write(t, to+"-wal", log)
	}
	return to
}

func countEvents(t *testing.T, path string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM events`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBackupRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason  string
		prepare func(t *testing.T, path, to string)
		want    string
	}{
		{"a file has the name", func(t *testing.T, _, to string) { write(t, to, []byte("mine")) }, "already exists"},
		{"an empty file has the name", func(t *testing.T, _, to string) { write(t, to, nil) }, "already exists"},
		{"a directory has the name", func(t *testing.T, _, to string) { must(t, os.Mkdir(to, 0o700)) }, "already exists"},
		{"a link to nowhere has the name", func(t *testing.T, _, to string) { must(t, os.Symlink("nowhere", to)) }, "already exists"},
		{"the directory does not exist", func(t *testing.T, _, to string) { must(t, os.Remove(filepath.Dir(to))) }, "no such file"},
		{"the database is an empty file", func(t *testing.T, path, _ string) { write(t, path, nil) }, "has no Hookferry tables"},
		{"the database is another program's", func(t *testing.T, path, _ string) {
			must(t, os.Remove(path))
			db, err := sql.Open("sqlite", path)
			must(t, err)
			_, err = db.ExecContext(t.Context(), `CREATE TABLE notes (text)`)
			must(t, errors.Join(err, db.Close()))
		}, "has no Hookferry tables"},
		{"the database is no database", func(t *testing.T, path, _ string) { write(t, path, []byte(strings.Repeat("notes of mine ", 500))) }, "is damaged"},
		{"a page of the database is damaged", func(t *testing.T, path, _ string) {
			b := read(t, path)
			copy(b[len(b)-4096*2:], strings.Repeat("\xff", 4096))
			write(t, path, b)
		}, "is damaged"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			path, to := filled(t, false), filepath.Join(t.TempDir(), "copy.db")
			tt.prepare(t, path, to)
			before, _ := os.ReadFile(to)
			if _, err := sqlite.Backup(t.Context(), path, to); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("it says %v, want %q", err, tt.want)
			}
			if after, _ := os.ReadFile(to); string(after) != string(before) {
				t.Error("the file was changed")
			}
			wantNone(t, to+".partial")
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// endsAfter is a context that ends after that many calls of Err.
type endsAfter struct {
	context.Context
	left atomic.Int64
}

func (c *endsAfter) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// An interrupted backup leaves no file behind. If a backup was killed, the next one replaces what it
// left.
func TestBackupBrokenOff(t *testing.T) {
	t.Parallel()
	path, to := filled(t, false), filepath.Join(t.TempDir(), "copy.db")
	for n := 0; ; n++ {
		ctx := &endsAfter{Context: t.Context()}
		ctx.left.Store(int64(n))
		if _, err := sqlite.Backup(ctx, path, to); err == nil {
			if n == 0 {
				t.Error("the backup was never interrupted")
			}
			break
		} else if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(filepath.Dir(to)); err != nil || len(left) > 0 {
			t.Fatalf("interrupted at step %d, it leaves %v, %v", n, left, err)
		}
	}
	must(t, os.Remove(to))
	write(t, to+".partial", read(t, path)[:5000])
	write(t, to+".partial.lock", nil)
	if _, err := sqlite.Backup(t.Context(), path, to); err != nil {
		t.Fatal(err)
	}
	wantAlone(t, to)
}
