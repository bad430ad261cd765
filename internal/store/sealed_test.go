package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/seal"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

var (
	oldKey = strings.Repeat("0a", 32)
	newKey = strings.Repeat("0b", 32)
)

func ringOf(t *testing.T, keys ...string) seal.Ring {
	t.Helper()
	if len(keys) == 0 {
		return seal.Ring{}
	}
	r, err := seal.ParseRing(strings.Join(keys, ","))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// vault is a database with a subscription that has secrets.
type vault struct {
	t    *testing.T
	dir  string
	raw  store.Store
	made event.Subscription
}

func newVault(t *testing.T, keys ...string) *vault {
	t.Helper()
	v := &vault{t: t, dir: t.TempDir()}
	raw, err := sqlite.Open(t.Context(), filepath.Join(v.dir, "hookferry.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	now := time.Now()
	v.raw, v.made = raw, event.Subscription{
		ID: event.NewID(now), TargetURL: "https://example.com/", Active: true, CreatedAt: now, UpdatedAt: now,
		Secrets: []event.Secret{"my_first_secret", "my_other_secret"}, Headers: map[string]string{"Authorization": "Bearer my_token"},
	}
	if err := v.with(keys...).CreateSubscription(t.Context(), v.made); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *vault) with(keys ...string) *store.Sealed {
	return store.WithSeal(v.raw, ringOf(v.t, keys...))
}

// reads describes what a node with these keys reads: "decrypted", or why not.
func (v *vault) reads(keys ...string) string {
	v.t.Helper()
	got, err := v.with(keys...).Subscription(v.t.Context(), v.made.ID)
	switch {
	case err != nil:
		v.t.Fatal(err)
	case got.Sealed != "" && len(got.Secrets)+len(got.Headers) == 0 && got.TargetURL == v.made.TargetURL:
		return "sealed: " + got.Sealed
	case got.Sealed != "":
		return "sealed, but not without secrets and headers"
	case len(got.Secrets) == 2 && got.Secrets[0] == v.made.Secrets[0] && got.Secrets[1] == v.made.Secrets[1] &&
		got.Headers["Authorization"] == v.made.Headers["Authorization"]:
		return "decrypted"
	}
	return "something else"
}

func (v *vault) reseal(keys ...string) store.Resealed {
	v.t.Helper()
	done, err := v.with(keys...).Reseal(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	return done
}

// inFiles reports whether a text is in any of the database's files.
func (v *vault) inFiles(text string) bool {
	v.t.Helper()
	files, err := filepath.Glob(filepath.Join(v.dir, "*"))
	if err != nil || len(files) == 0 {
		v.t.Fatal("no files", err)
	}
	for _, file := range files {
		if content, err := os.ReadFile(file); err == nil && strings.Contains(string(content), text) {
			return true
		}
	}
	return false
}

func TestSecretsAreNotInTheFile(t *testing.T) {
	for _, text := range []string{"my_first_secret", "my_other_secret", "my_token"} {
		if newVault(t, newKey).inFiles(text) {
			t.Errorf("%q can be read in the database's file", text)
		}
		if !newVault(t).inFiles(text) {
			t.Errorf("%q is not found although it is not sealed, so this test shows nothing", text)
		}
	}
}

func TestWhatEachKeyOpens(t *testing.T) {
	tests := []struct {
		why           string
		sealed, reads []string
		want          string
	}{
		{"the key that sealed it", []string{newKey}, []string{newKey}, "decrypted"},
		{"a second key", []string{oldKey}, []string{newKey, oldKey}, "decrypted"},
		{"stored before there was a key", nil, []string{newKey}, "decrypted"},
		{"no key at all, ever", nil, nil, "decrypted"},
		{"a wrong key", []string{oldKey}, []string{newKey}, "sealed: "},
		{"the key was removed", []string{oldKey}, nil, "sealed: "},
	}
	for _, test := range tests {
		got := newVault(t, test.sealed...).reads(test.reads...)
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.why, got, test.want)
		}
		if id := ringOf(t, oldKey).String(); strings.HasPrefix(got, "sealed") && !strings.Contains(got, strings.Trim(id, "[]")) {
			t.Errorf("%s: %q does not name the key %s", test.why, got, id)
		}
	}
}

func TestSealedTextsCantBeMovedToAnotherRow(t *testing.T) {
	v := newVault(t, newKey)
	kept, err := v.raw.Subscription(t.Context(), v.made.ID)
	if err != nil {
		t.Fatal(err)
	}
	thief := kept
	thief.ID = event.NewID(time.Now())
	if err := v.raw.CreateSubscription(t.Context(), thief); err != nil {
		t.Fatal(err)
	}
	got, err := v.with(newKey).Subscription(t.Context(), thief.ID)
	if err != nil || got.Sealed == "" || len(got.Secrets)+len(got.Headers) > 0 {
		t.Errorf("a secret that was copied to another row is decrypted there: %+v, %v", got, err)
	}
}

func TestReseal(t *testing.T) {
	tests := []struct {
		why            string
		sealed, reseal []string
		sealedAnew     int
		readsAfter     []string
	}{
		{"stored before there was a key", nil, []string{newKey}, 1, []string{newKey}},
		{"rotation: the old key may be removed afterwards", []string{oldKey}, []string{newKey, oldKey}, 1, []string{newKey}},
		{"nothing to do", []string{newKey}, []string{newKey, oldKey}, 0, []string{newKey}},
		{"no key: nothing changes", nil, nil, 0, nil},
	}
	for _, test := range tests {
		v := newVault(t, test.sealed...)
		if done := v.reseal(test.reseal...); done.Sealed != test.sealedAnew || done.Current != 1-test.sealedAnew {
			t.Errorf("%s: %+v", test.why, done)
		}
		if done := v.reseal(test.reseal...); done.Sealed != 0 || done.Current != 1 {
			t.Errorf("%s: a second pass seals again: %+v", test.why, done)
		}
		if got := v.reads(test.readsAfter...); got != "decrypted" {
			t.Errorf("%s: afterwards: %q", test.why, got)
		}
	}
	v := newVault(t, oldKey)
	if done := v.reseal(newKey); len(done.Locked) != 1 || done.Sealed != 0 || v.reads(oldKey) != "decrypted" {
		t.Errorf("without the old key, nothing may be sealed or lost: %+v", done)
	}
}

// busy is a store in which the subscription is changed just before each swap.
type busy struct {
	store.Store
	before func(n int)
	n      int
}

func (b *busy) SwapSecrets(ctx context.Context, from, to event.Subscription) (bool, error) {
	b.n++
	b.before(b.n)
	return b.Store.SwapSecrets(ctx, from, to)
}

func TestResealNeverOverwritesAChange(t *testing.T) {
	v := newVault(t, oldKey)
	b := &busy{Store: v.raw}
	b.before = func(n int) {
		if n > 1 {
			return
		}
		changed := v.made
		changed.Secrets = []event.Secret{"changed_meanwhile"}
		if _, err := v.with(oldKey).ReplaceSubscription(t.Context(), changed); err != nil {
			t.Error(err)
		}
	}
	done, err := store.WithSeal(b, ringOf(t, newKey, oldKey)).Reseal(t.Context())
	if err != nil || done.Sealed != 1 || b.n != 2 {
		t.Errorf("%+v after %d tries, %v", done, b.n, err)
	}
	got, err := v.with(newKey).Subscription(t.Context(), v.made.ID)
	if err != nil || len(got.Secrets) != 1 || got.Secrets[0] != "changed_meanwhile" {
		t.Errorf("the change is lost: %q, %v", got.Sealed, err)
	}
}

func TestResealGivesUpOnWhatAlwaysChanges(t *testing.T) {
	v := newVault(t, oldKey)
	b := &busy{Store: v.raw}
	b.before = func(int) {
		if _, err := v.with(oldKey).ReplaceSubscription(t.Context(), v.made); err != nil { // a new nonce
			t.Error(err)
		}
	}
	done, err := store.WithSeal(b, ringOf(t, newKey, oldKey)).Reseal(t.Context())
	if err != nil || done.Changed != 1 || v.reads(oldKey) != "decrypted" {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestASealedSubscriptionCanBeGivenNewSecrets(t *testing.T) {
	v := newVault(t, oldKey)
	cached, err := store.WithCache(v.with(newKey), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := cached.Subscription(t.Context(), v.made.ID); err != nil || s.Sealed == "" {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, err := cached.ReplaceSubscription(t.Context(), v.made); err != nil {
		t.Fatal(err)
	}
	if s, err := cached.Subscription(t.Context(), v.made.ID); err != nil || s.Sealed != "" || len(s.Secrets) != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWhatLooksSealedIsRefusedWithoutAKey(t *testing.T) {
	v := newVault(t)
	fake := v.made
	fake.ID, fake.Secrets = event.NewID(time.Now()), []event.Secret{seal.Prefix + "AQ"}
	if err := v.with().CreateSubscription(t.Context(), fake); !errors.As(err, new(*event.InvalidError)) {
		t.Errorf("the value was accepted: %v", err)
	}
	if err := v.with(newKey).CreateSubscription(t.Context(), fake); err != nil {
		t.Errorf("with a key, the value is a secret like any other: %v", err)
	}
}
