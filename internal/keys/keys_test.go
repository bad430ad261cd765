package keys_test

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/keys"
)

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func TestNew(t *testing.T) {
	for _, c := range []struct {
		why    string
		wanted keys.Wanted
		ends   time.Time
		words  string // in the error; "": no error
	}{
		{"without an expiry", keys.Wanted{Name: "a", Scope: "admin"}, time.Time{}, ""},
		{"for 12 hours", keys.Wanted{Name: "a", Scope: "publish", Expires: "12h"}, now.Add(12 * time.Hour), ""},
		{"until a day", keys.Wanted{Name: strings.Repeat("a", 100), Scope: "read", Expires: "2027-01-31"}, time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC), ""},
		{"bound to a tenant", keys.Wanted{Name: "a", Scope: "read", Tenant: "acme"}, time.Time{}, ""},
		{"an invalid tenant", keys.Wanted{Name: "a", Scope: "read", Tenant: "a b"}, time.Time{}, `the id of the tenant is "a b"`},
		{"no name", keys.Wanted{Scope: "admin"}, time.Time{}, "1 to 100 characters"},
		{"a name that is too long", keys.Wanted{Name: strings.Repeat("a", 101), Scope: "admin"}, time.Time{}, "this one has 101"},
		{"an unknown scope", keys.Wanted{Name: "a", Scope: "write"}, time.Time{}, `"write" is not a scope`},
		{"an invalid expiry", keys.Wanted{Name: "a", Scope: "admin", Expires: "soon"}, time.Time{}, `--expires is "soon", which`},
	} {
		text, k, err := keys.New(c.wanted, now)
		if c.words != "" {
			if err == nil || !strings.Contains(err.Error(), c.words) || text != "" {
				t.Errorf("%s: %q, %v, want %q", c.why, text, err, c.words)
			}
			continue
		}
		if err != nil || !strings.HasPrefix(text, "hf_") || len(text) != 46 {
			t.Errorf("%s: %q, %v", c.why, text, err)
			continue
		}
		want := event.APIKey{
			ID: k.ID, Name: c.wanted.Name, Prefix: text[:10], Hash: sha256.Sum256([]byte(text)),
			Scope: event.Scope(c.wanted.Scope), CreatedAt: now, ExpiresAt: c.ends, Tenant: c.wanted.Tenant,
		}
		if k != want {
			t.Errorf("%s: %+v, want %+v", c.why, k, want)
		}
	}
}

// holder is a database with one key.
type holder struct {
	keys.Store
	has event.ID
}

func (h holder) RevokeKey(_ context.Context, id event.ID, _ time.Time) error {
	if id != h.has {
		return event.ErrNotFound
	}
	return nil
}

func TestRevoke(t *testing.T) {
	h := holder{has: event.NewID(now)}
	for _, c := range []struct{ id, words, why string }{
		{h.has.String(), "", "an existing key"},
		{event.NewID(now).String(), "there is no key", "an unknown key"},
		{"hf_something", "is not the id of a key", "the key itself instead of its id"},
	} {
		err := keys.Revoke(t.Context(), h, c.id)
		if (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, want %q", c.why, err, c.words)
		}
	}
}
