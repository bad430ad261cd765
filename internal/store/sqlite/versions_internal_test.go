package sqlite

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// What the writer remembers of versions is what the database has, after a transaction that failed
// as after one that did not.
func TestVersionsFollowTheTransaction(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "hookferry.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	now := time.Now()
	sub := event.Subscription{ID: event.NewID(now), CreatedAt: now, UpdatedAt: now}
	if err := s.CreateSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	remember := func(w *writer) error {
		_, err := w.tenantNow(event.DefaultTenantNo)
		_, err2 := w.typesNow()
		return errors.Join(err, err2)
	}
	raise := func(w *writer) error {
		_, err := w.raiseTypes()
		return errors.Join(err, w.noteChange(sub.ID, event.DefaultTenantNo), remember(w))
	}
	broken := errors.New("broken")
	for _, step := range []struct {
		why           string
		run           func(*writer) error
		tenant, types int64
	}{
		{"at first", remember, 2, 1},
		{"after a change", raise, 3, 2},
		{"after a change that was rolled back", func(w *writer) error { return errors.Join(raise(w), broken) }, 3, 2},
		{"after another change", raise, 4, 3},
	} {
		if err := s.write(t.Context(), 1, step.run); err != nil && !errors.Is(err, broken) {
			t.Fatal(err)
		}
		var tenant tenantNow
		var types int64
		if err := s.write(t.Context(), 1, func(w *writer) (err error) {
			err = remember(w)
			tenant, types = w.tenants[event.DefaultTenantNo], w.types
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if tenant.version != step.tenant || types != step.types {
			t.Errorf("%s the writer knows the versions %d and %d, want %d and %d", step.why, tenant.version, types, step.tenant, step.types)
		}
		c, err := s.TenantChanges(t.Context(), event.DefaultTenantNo, 0, 10)
		if err != nil || c.To != step.tenant {
			t.Errorf("%s the tenant has version %d, %v; want %d", step.why, c.To, err, step.tenant)
		}
		if _, at, err := s.EventTypesSince(t.Context(), 0); err != nil || at != step.types {
			t.Errorf("%s the event types have version %d, %v; want %d", step.why, at, err, step.types)
		}
	}
}
