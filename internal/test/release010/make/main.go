// Command make creates the databases of package release010. It starts a hookferry on SQLite and on
// its own PostgreSQL, puts load on it, kills it under load, and keeps the data. README.md says how
// to run it.
//
// Start with record. subscriptions.go says what is loaded.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hookferry/hookferry/internal/test/release010"
)

func main() {
	program := flag.String("program", "", "the hookferry of release 0.1.0")
	out := flag.String("out", "internal/test/release010/testdata", "directory of the files")
	flag.Parse()
	if err := run(*program, *out); err != nil {
		fmt.Fprintln(os.Stderr, "make:", err)
		os.Exit(1)
	}
}

func run(program, out string) error {
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	for _, open := range []func() (database, error){newSQLite, newPostgres} {
		db, err := open()
		if err != nil {
			return err
		}
		err = record(program, out, db)
		db.remove()
		if err != nil {
			return err
		}
	}
	return nil
}

// database is the database of a service.
type database interface {
	env() []string // environment of the service
	// keep saves the data of a killed service, and counts what it contains.
	keep(out string, c *release010.Content) error
	remove()
}

// record runs a service twice on a database: first without load until everything has reached its
// final state, then under load until it is killed.
func record(program, out string, db database) error {
	endpoints, err := startEndpoints()
	if err != nil {
		return err
	}
	s := &service{program: program, env: db.env()}
	l := &loader{service: s, endpoints: endpoints}
	if err := s.makeKeys(); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	if err := l.quiet(); err != nil {
		return err
	}
	if err := s.stop(); err != nil {
		return err
	}
	if err := s.start("HOOKFERRY_DENY_TARGETS=127.0.0.2"); err != nil {
		return err
	}
	if err := l.load(s.process.Kill); err != nil {
		return err
	}
	c := &release010.Content{KilledAt: time.Now().UTC(), Keys: s.keys, Subscriptions: l.content()}
	return db.keep(out, c)
}
