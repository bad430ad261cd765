package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// crashed is a store's files as a kill would leave them, with the length of the log after each
// acceptance.
type crashed struct {
	dir      string
	accepted []event.ID
	logAfter []int64
}

func crash(t *testing.T, events int) crashed {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "hookferry.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Now()
	sub := event.Subscription{ID: event.NewID(now), TargetURL: "https://example.com/", Active: true, CreatedAt: now, UpdatedAt: now}
	if err := s.CreateSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	c := crashed{dir: t.TempDir()}
	for range events {
		id := event.NewID(time.Now())
		a := event.Acceptance{
			Event:      event.Event{ID: id, Type: "user.created", ContentType: "application/json", Payload: make([]byte, 9000), CreatedAt: now},
			Deliveries: []event.Delivery{{ID: event.DeliveryID(id, sub.ID), EventID: id, SubscriptionID: sub.ID, DueAt: now, CreatedAt: now}},
		}
		if _, err := s.Accept(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		log, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		c.accepted, c.logAfter = append(c.accepted, a.Deliveries[0].ID), append(c.logAfter, log.Size())
	}
	for _, name := range []string{"hookferry.db", "hookferry.db-wal"} {
		c.put(t, name, read(t, filepath.Join(dir, name)))
	}
	return c
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (c crashed) put(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// copy copies the files to another place.
func (c crashed) copy(t *testing.T) crashed {
	t.Helper()
	from := c.dir
	c.dir = t.TempDir()
	if err := os.CopyFS(c.dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c crashed) open() (*sqlite.Store, error) {
	return sqlite.Open(context.Background(), filepath.Join(c.dir, "hookferry.db"), sqlite.Options{})
}

// A process that dies during a commit, or a machine that loses its power, leaves the end of the
// log torn: truncated, or with other content. What was acknowledged before must be there.
func TestTornLog(t *testing.T) {
	t.Parallel()
	c := crash(t, 12)
	log := read(t, filepath.Join(c.dir, "hookferry.db-wal"))
	for range 60 {
		last := rand.IntN(len(c.accepted))                                       // the last one that was acknowledged
		from, to := c.logAfter[last], c.logAfter[min(last+1, len(c.accepted)-1)] // the torn commit
		at := from + rand.Int64N(max(1, to-from))
		for why, torn := range map[string][]byte{
			"short":                                log[:at],
			"zeros":                                append(append([]byte{}, log[:at]...), make([]byte, 8<<10)...),
			"garbage":                              append(append([]byte{}, log[:at]...), noise(8<<10)...),
			"before what failed commits have left": slices.Concat(log[:from], log[c.logAfter[7]:c.logAfter[8]], log[c.logAfter[4]:c.logAfter[5]]),
		} {
			one := c.copy(t)
			one.put(t, "hookferry.db-wal", torn)
			s, err := one.open()
			if err != nil {
				t.Fatalf("%s at byte %d of %d: %v", why, at, len(log), err)
			}
			for i, id := range c.accepted[:last+1] {
				if _, err := s.Delivery(t.Context(), id); err != nil {
					t.Errorf("%s at byte %d of %d: acknowledged event %d is lost: %v", why, at, len(log), i, err)
				}
			}
			s.Close()
		}
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// Damage that no crash can cause must be refused. The error says what is wrong and what to do.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	c := crash(t, 12)
	log := read(t, filepath.Join(c.dir, "hookferry.db-wal"))
	flipped := append([]byte{}, log...)
	flipped[c.logAfter[2]+2000] ^= 1
	for why, row := range map[string]struct {
		name  string
		bytes []byte
		words string
	}{
		"the log is damaged in the middle, and commits follow": {"hookferry.db-wal", flipped, "would ignore"},
		"the log's header is damaged, and commits follow":      {"hookferry.db-wal", append(noise(32), log[32:]...), "would ignore"},
	} {
		one := c.copy(t)
		one.put(t, row.name, row.bytes)
		s, err := one.open()
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), row.words) {
			t.Errorf("%s: %v, want a message with %q", why, err, row.words)
		}
	}

	// The log is written back, so the database file has everything.
	database := c.closed(t)
	for why, damaged := range map[string][]byte{
		"another file is in its place":  noise(1 << 16),
		"cut off":                       database[:len(database)/3],
		"the first page is overwritten": append(noise(4096), database[4096:]...),
	} {
		one := c.copy(t)
		one.put(t, "hookferry.db", damaged)
		s, err := one.open()
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "is damaged, or it is not a SQLite database") {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// closed returns a store's database with its log written back.
func (c crashed) closed(t *testing.T) []byte {
	t.Helper()
	s, err := c.open()
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	return read(t, filepath.Join(c.dir, "hookferry.db"))
}

// finds reports whether a damaged database is refused at the start, or an audit finds that it is
// not sound. Then serve checks what the store serves.
func (c crashed) finds(t *testing.T, database []byte, serve func(*sqlite.Store)) bool {
	t.Helper()
	one := c.copy(t)
	one.put(t, "hookferry.db", database)
	s, err := one.open()
	if err != nil {
		return strings.Contains(err.Error(), "is damaged")
	}
	defer s.Close()
	findings, err := s.Audit(t.Context(), time.Now(), time.Time{})
	if err != nil {
		t.Errorf("an audit ends with %v", err)
	}
	serve(s)
	return slices.ContainsFunc(findings, func(f event.Finding) bool { return f.Rule == event.RuleDatabaseIsSound && f.Detail != "" })
}

// flip returns a copy of b with one bit flipped.
func flip(b []byte, at int, bit byte) []byte {
	b = slices.Clone(b)
	b[at] ^= bit
	return b
}

// A flipped bit in SQLite's own structures is found on every page, and what can't be read because
// of it is an error and not a result.
func TestAFlippedBitInAnyPageIsFound(t *testing.T) {
	t.Parallel()
	const page = 4096
	c := crash(t, 4)
	database := c.closed(t)
	serve := func(s *sqlite.Store) {
		for _, id := range c.accepted {
			if d, err := s.Delivery(t.Context(), id); err == nil && event.DeliveryID(d.Delivery.EventID, d.Delivery.SubscriptionID) != id || err != nil && !errors.Is(err, event.ErrUnavailable) {
				t.Errorf("delivery %s is that of event %s: %v", id, d.Delivery.EventID, err)
			}
		}
	}
	for at := 0; at < len(database); at += page {
		first := at // the type of a table's page, or the number of the next overflow page
		if at == 0 {
			first = 100 // after the database's header
		}
		if !c.finds(t, flip(database, first, 0x80), serve) {
			t.Errorf("page %d of %d: a flipped bit in its first byte is not found", at/page+1, len(database)/page)
		}
	}
}

// A flipped bit in a value is found if the value is stored twice, in a table and in its indexes.
// For a value that is stored once, such as a payload, SQLite can't tell.
func TestAFlippedBitInAnIndexIsFound(t *testing.T) {
	t.Parallel()
	c := crash(t, 4)
	database := c.closed(t)
	found, id := 0, c.accepted[1][:]
	for at := 0; ; at++ {
		next := bytes.Index(database[at:], id)
		if next < 0 {
			break
		}
		at += next
		if c.finds(t, flip(database, at+len(id)-1, 1), func(*sqlite.Store) {}) {
			found++
		}
	}
	if found != 3 {
		t.Errorf("of the flipped ids %d are found, want those of the delivery and of its place in two indexes", found)
	}
}

// Another program holds a lock, as a shell with an open transaction does.
func TestLockedByAnother(t *testing.T) {
	t.Parallel()
	c := crash(t, 1)
	other, err := sql.Open("sqlite", "file:"+filepath.Join(c.dir, "hookferry.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.Exec(`BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	if s, err := c.open(); err == nil || !strings.Contains(err.Error(), "another program holds a lock") {
		t.Errorf("%v, %v", s, err)
	}
	if _, err := other.Exec(`ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	s, err := c.open()
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// SQLite's own error for a full disk, and recovery from it.
func TestFullIsToldAndPasses(t *testing.T) {
	t.Parallel()
	c := crash(t, 1)
	s, err := c.open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.LimitPages(t.Context(), 1); err != nil { // the present number of pages
		t.Fatal(err)
	}
	now := time.Now()
	sub := event.Subscription{ID: event.NewID(now), TargetURL: "https://example.com/", Active: true, CreatedAt: now, UpdatedAt: now}
	var full error
	for range 100 {
		sub.ID, sub.Description = event.NewID(now), strings.Repeat("x", 4000)
		if full = s.CreateSubscription(t.Context(), sub); full != nil {
			break
		}
	}
	if !errors.Is(full, event.ErrFull) || !errors.Is(full, event.ErrUnavailable) {
		t.Fatalf("got %v, want ErrFull", full)
	}
	if err := s.LimitPages(t.Context(), 1<<30); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateSubscription(t.Context(), sub); err != nil {
		t.Errorf("with free disk space again: %v", err)
	}
}

// Listing the migrations of a file leaves a damaged log as it is, so that Open refuses it.
func TestMigrationsRefuseADamagedLog(t *testing.T) {
	t.Parallel()
	c := crash(t, 12)
	log := read(t, filepath.Join(c.dir, "hookferry.db-wal"))
	log[c.logAfter[3]+100] ^= 0xff
	c.put(t, "hookferry.db-wal", log)
	if _, err := sqlite.Migrations(t.Context(), filepath.Join(c.dir, "hookferry.db")); err == nil || !strings.Contains(err.Error(), "is damaged, and not by a crash") {
		t.Errorf("it says %v", err)
	}
	if s, err := c.open(); err == nil || !strings.Contains(err.Error(), "is damaged, and not by a crash") {
		t.Errorf("after that, Open: %v, %v", s, err)
	}
}
