package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/pgtest"
	"github.com/hookferry/hookferry/internal/test/release010"
)

// onSQLite is a SQLite database in its own directory.
type onSQLite struct{ dir string }

func newSQLite() (database, error) {
	dir, err := os.MkdirTemp("", "hookferry-make-")
	return onSQLite{dir}, err
}

func (d onSQLite) env() []string { return []string{"HOOKFERRY_DATA=" + d.dir} }
func (d onSQLite) remove()       { _ = os.RemoveAll(d.dir) }

// keep packs the files first, because opening the database changes them.
func (d onSQLite) keep(out string, c *release010.Content) error {
	path := filepath.Join(d.dir, "hookferry.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			return err
		}
		if err := pack(filepath.Join(out, "hookferry.db"+suffix+".gz"), b); err != nil {
			return err
		}
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT count(*) FROM unfiled`).Scan(&c.Unfiled); err != nil {
		return err
	}
	if err := count(db, c, "all_deliveries", func(id event.ID) any { return id[:] }); err != nil {
		return err
	}
	return writeJSON(filepath.Join(out, "sqlite.json"), c)
}

// onPostgres is a database on its own server.
type onPostgres struct {
	server *pgtest.Server
	name   string
}

func newPostgres() (database, error) {
	server, err := pgtest.Start()
	if err != nil {
		return nil, err
	}
	name, err := server.Create(context.Background(), "")
	return onPostgres{server, name}, err
}

func (d onPostgres) env() []string { return []string{"DATABASE_URL=" + d.server.URL(d.name)} }
func (d onPostgres) remove()       { d.server.Remove() }

func (d onPostgres) keep(out string, c *release010.Content) error {
	db, err := sql.Open("pgx", d.server.URL(d.name))
	if err != nil {
		return err
	}
	defer db.Close()
	for others := 1; others > 0; time.Sleep(20 * time.Millisecond) { // statements of the killed service may still be running
		if err := db.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hookferry'`).Scan(&others); err != nil {
			return err
		}
	}
	text, err := d.server.Dump(context.Background(), d.name)
	if err != nil {
		return err
	}
	if err := pack(filepath.Join(out, "postgres.sql.gz"), text); err != nil {
		return err
	}
	if err := count(db, c, "deliveries", func(id event.ID) any { return id.String() }); err != nil {
		return err
	}
	return writeJSON(filepath.Join(out, "postgres.json"), c)
}

// count counts the deliveries in a table or view, and the rows of the other tables. arg converts an
// id to the database's form.
func count(db *sql.DB, c *release010.Content, deliveries string, arg func(event.ID) any) (err error) {
	number := func(query string, args ...any) (n int) {
		if err == nil {
			err = db.QueryRow(query, args...).Scan(&n)
		}
		return n
	}
	from := `SELECT count(*) FROM ` + deliveries + ` WHERE `
	c.Leased = number(from + `status = 0 AND lease_owner IS NOT NULL`)
	c.Unclaimed = number(from + `status = 0 AND lease_owner IS NULL`)
	c.Rows, c.Counts = map[string]int{}, map[string]int{}
	for _, table := range []string{"subscriptions", "events", "delivery_attempts", "idempotency_keys", "api_keys"} {
		c.Rows[table] = number(`SELECT count(*) FROM ` + table)
	}
	for i := range c.Subscriptions {
		s := &c.Subscriptions[i]
		s.Counts = map[string]int{}
		for _, status := range event.Statuses {
			if n := number(from+`subscription_id = $1 AND status = $2`, arg(s.ID), int(status)); n > 0 {
				s.Counts[status.String()] = n
				c.Counts[status.String()] += n
			}
		}
	}
	return err
}

func pack(path string, b []byte) error {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, packed.Bytes(), 0o644)
}

// writeJSON writes one event per line, so that people can read the file.
func writeJSON(path string, c *release010.Content) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	for _, start := range []string{`{"event":`, `{"id":`, `"subscriptions":`, `"keys":`, `{"name":`} {
		b = bytes.ReplaceAll(b, []byte(start), []byte("\n"+start))
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
