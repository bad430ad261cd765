package postgres_test

import (
	"context"
	"os"
	"testing"

	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/store/storetest"
	"github.com/hookferry/hookferry/internal/test/pgtest"
)

// server is the PostgreSQL of the tests, and template is a database with our tables.
var (
	server   *pgtest.Server
	template string
)

func TestMain(m *testing.M) {
	os.Exit(pgtest.Run(m, func(s *pgtest.Server) (err error) {
		server = s
		template, err = s.Create(context.Background(), "")
		if err != nil {
			return err
		}
		db, err := postgres.Open(context.Background(), postgres.Options{URL: s.URL(template)})
		if err != nil {
			return err
		}
		return db.Close()
	}))
}

// open opens a new database.
func open(t testing.TB, o postgres.Options) *postgres.Store {
	t.Helper()
	if o.URL == "" {
		o.URL = server.Database(t, template)
	}
	s, err := postgres.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, postgres.Options{}) })
}
