package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

func TestIsRefusal(t *testing.T) {
	for _, tt := range []struct {
		reason string
		err    error
		want   bool
	}{
		{"no error", nil, false},
		{"the row does not exist", fmt.Errorf("%w: subscription 7", event.ErrNotFound), true},
		{"the idempotency key was used with another body", fmt.Errorf("accept: %w", event.ErrKeyReused), true},
		{"the subscription is inactive", event.ErrInactive, true},
		{"the delivery is still pending", event.ErrNotSettled, true},
		{"the delivery was delivered", event.ErrDelivered, true},
		{"the database is unavailable", event.ErrUnavailable, false},
		{"the disk is full", event.ErrFull, false},
		{"anything else", errors.New("broken"), false},
	} {
		if got := store.IsRefusal(tt.err); got != tt.want {
			t.Errorf("%s: %v", tt.reason, got)
		}
	}
}

func TestPageEnd(t *testing.T) {
	now := event.NewID(time.Now())
	if got := store.PageEnd(now); got != now {
		t.Errorf("with a cursor: %v, want %v", got, now)
	}
	for _, id := range []event.ID{now, event.FloorID(time.Date(2399, 1, 1, 0, 0, 0, 0, time.UTC))} {
		if end := store.PageEnd(event.ID{}); string(id[:]) >= string(end[:]) {
			t.Errorf("without a cursor: %v is not below %v", id, end)
		}
	}
}

// What is written must come back, including the difference between no list and an empty one.
func TestSubscriptionRow(t *testing.T) {
	for reason, sub := range map[string]event.Subscription{
		"nothing set":                {},
		"everything set":             {TargetURL: "https://example.com", Secrets: []event.Secret{"a", "b"}, Settings: event.Settings{Timeout: 1500 * time.Microsecond, RetrySchedule: event.RetryPolicy{time.Second, time.Minute}}, Headers: event.Headers{"X-Token": "y"}},
		"a schedule without retries": {Settings: event.Settings{RetrySchedule: event.RetryPolicy{}}},
	} {
		text, bytes := store.EncodeSubscription[string](sub), store.EncodeSubscription[[]byte](sub)
		if got, err := text.Decode(); err != nil || !reflect.DeepEqual(got, sub) {
			t.Errorf("%s, with text: %+v, want %+v", reason, got, sub)
		}
		if got, err := bytes.Decode(); err != nil || !reflect.DeepEqual(got, sub) {
			t.Errorf("%s, with bytes: %+v, want %+v", reason, got, sub)
		}
		if text.PlainSecrets == nil || bytes.PlainSecrets == nil {
			t.Errorf("%s: the secrets are written as NULL", reason)
		}
	}
}

// Secrets and headers encode themselves as placeholders, so that no log shows them. A row must
// contain the real values.
func TestSubscriptionRowHoldsSecretsPlainly(t *testing.T) {
	row := store.EncodeSubscription[string](event.Subscription{Secrets: []event.Secret{"whsec_x"}, Headers: event.Headers{"X-Token": "y"}})
	if got := store.JSON(row.PlainSecrets); got != `["whsec_x"]` {
		t.Errorf("the column of secrets holds %s", got)
	}
	if got := store.JSON(row.PlainHeaders); got != `{"X-Token":"y"}` {
		t.Errorf("the column of headers holds %s", got)
	}
}

func TestColumns(t *testing.T) {
	var name string
	var size int
	columns := store.Columns{{Name: "name", Value: "a", Into: &name}, {Name: "size", Value: 7, Into: &size}}
	for what, row := range map[string][2]string{
		"names":        {columns.Names(), "name, size"},
		"parameters":   {columns.Parameters("$"), "$1, $2"},
		"assignments":  {columns.Assignments("?"), "name = ?1, size = ?2"},
		"without one":  {columns.Without("name").Assignments("?"), "size = ?1"},
		"without both": {columns.Without("size", "name").Names(), ""},
	} {
		if row[0] != row[1] {
			t.Errorf("%s: %q, want %q", what, row[0], row[1])
		}
	}
	if got := columns.Values("more"); !reflect.DeepEqual(got, []any{"a", 7, "more"}) {
		t.Errorf("the values are %v", got)
	}
	if got := columns.Into(); !reflect.DeepEqual(got, []any{&name, &size}) {
		t.Errorf("they are read into %v", got)
	}
}

func TestReplacedColumns(t *testing.T) {
	all := store.Columns{{Name: "id"}, {Name: "target_url"}, {Name: "secrets"}, {Name: "created_at"}, {Name: "updated_at"}, {Name: "deleted_at"}}
	for reason, row := range map[string]struct {
		secrets []event.Secret
		want    string
	}{
		"without secrets, the old ones are kept": {nil, "target_url, updated_at"},
		"an empty list removes them":             {[]event.Secret{}, "target_url, secrets, updated_at"},
		"with secrets, they are replaced":        {[]event.Secret{"a"}, "target_url, secrets, updated_at"},
	} {
		r := store.EncodeSubscription[string](event.Subscription{Secrets: row.secrets})
		if got := r.Replaced(all).Names(); got != row.want {
			t.Errorf("%s: %s, want %s", reason, got, row.want)
		}
	}
}

func TestQualified(t *testing.T) {
	if got, want := store.Qualified("a", "id, code,\n\t\terror"), "a.id, a.code, a.error"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
