package sqlite_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// A bit flips on the disk, in each kind of value that is delivered.
func TestAnEventThatTheDiskHasChangedIsNotSent(t *testing.T) {
	t.Parallel()
	for what, value := range map[string]string{
		"the payload":                         `{"event":"order.paid","data":{"amount":` + "1000" + `}}`,
		"a payload of many pages, at its end": `{"data":"` + string(bytes.Repeat([]byte("x"), 60_000)) + `","event":"order.paid.the-end"}`,
		"the type":                            "order.paid.by-card",
		"the content type":                    "application/json; charset=utf-8; odd=yes",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "hookferry.db")
			s := reopen(t, path)
			now := time.Now().UTC().Truncate(time.Microsecond)
			sub := event.Subscription{ID: event.NewID(now), TargetURL: "https://example.com/", Active: true, CreatedAt: now, UpdatedAt: now}
			if err := s.CreateSubscription(t.Context(), sub); err != nil {
				t.Fatal(err)
			}
			e := event.Event{ID: event.NewID(now), Type: "order.paid.by-card", ContentType: "application/json; charset=utf-8; odd=yes", Payload: []byte(value), CreatedAt: now}
			whole := event.Event{ID: event.NewID(now), Type: "a", Payload: []byte(`{}`), CreatedAt: now}
			for _, one := range []event.Event{e, whole} {
				d := event.Delivery{ID: event.DeliveryID(one.ID, sub.ID), EventID: one.ID, SubscriptionID: sub.ID, DueAt: now, CreatedAt: now}
				if _, err := s.Accept(t.Context(), event.Acceptance{Event: one, Deliveries: []event.Delivery{d}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			flipLast(t, path, value[max(0, len(value)-25):])

			s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			findings, err := s.Audit(t.Context(), now, now)
			want := event.Finding{Rule: event.RuleEventIsIntact, Found: 1, Oldest: e.ID}
			if err != nil || len(findings) != 1 || findings[0] != want {
				t.Errorf("the audit finds %+v, %v", findings, err)
			}
			c, err := s.Claim(t.Context(), event.ClaimRequest{Owner: "node", Now: now, Until: now.Add(time.Minute), Limit: 10, Capacity: 10})
			if err != nil || len(c.Deliveries) != 1 || c.Deliveries[0].Event.ID != whole.ID {
				t.Fatalf("claimed %+v, %v; want only the other event", c.Deliveries, err)
			}
			r, err := s.Delivery(t.Context(), event.DeliveryID(e.ID, sub.ID))
			if err != nil || r.Delivery.Status != event.Failed || len(r.Attempts) != 1 || r.Attempts[0].Outcome.Code != event.CodeDamaged || r.Attempts[0].Outcome.Error == "" {
				t.Errorf("%+v, %v; want it to have failed, and to say why", r, err)
			}
		})
	}
}

// flipLast flips a bit in the last byte of the last occurrence of the text in a file.
func flipLast(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(file, []byte(text))
	if at < 0 {
		t.Fatalf("%q is not in the file", text)
	}
	file[at+len(text)-3] ^= 4
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A bit flips on the disk, in each kind of value that says where and how to deliver.
func TestASubscriptionThatTheDiskHasChangedIsHeldBack(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{
		"the URL":           "https://example.com/hooks/shop",
		"an event type":     "order.paid.by-card",
		"a secret":          "a secret of many characters",
		"a header":          "a-header-of-the-shop",
		"a setting":         `"body":"data"`,
		"a bracket of JSON": `["order.paid.by-card"]`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "hookferry.db")
			s := reopen(t, path)
			now := time.Now().UTC().Truncate(time.Microsecond)
			sub := event.Subscription{
				ID: event.NewID(now), TargetURL: "https://example.com/hooks/shop", EventTypes: []string{"order.paid.by-card"}, Active: true,
				Secrets: []event.Secret{"a secret of many characters"}, Headers: event.Headers{"X-Shop": "a-header-of-the-shop"},
				Settings: event.Settings{Body: event.BodyData}, CreatedAt: now, UpdatedAt: now,
			}
			whole := event.Subscription{ID: event.NewID(now), TargetURL: "https://example.org/", Active: true, CreatedAt: now, UpdatedAt: now}
			for _, one := range []event.Subscription{sub, whole} {
				if err := s.CreateSubscription(t.Context(), one); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			flipLast(t, path, text)

			s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			got, err := s.Subscription(t.Context(), sub.ID)
			if err != nil || got.Sealed == "" || len(got.Secrets)+len(got.Headers) > 0 || !got.RequireSignature {
				t.Errorf("%+v, %v; want it held back, with a reason", got, err)
			}
			if swapped, err := s.SwapSecrets(t.Context(), got, sub); swapped || err != nil {
				t.Errorf("its secrets were swapped, which would make the row look intact: %v", err)
			}
			if list, err := s.ListSubscriptions(t.Context(), event.SubscriptionQuery{Limit: 10}); err != nil || len(list) != 2 {
				t.Errorf("the list has %d subscriptions, %v; want both", len(list), err)
			}
			findings, err := s.Audit(t.Context(), now, now)
			if want := (event.Finding{Rule: event.RuleSubscriptionIsIntact, Found: 1, Oldest: sub.ID}); err != nil || len(findings) != 1 || findings[0] != want {
				t.Errorf("the audit finds %+v, %v", findings, err)
			}
			if _, err := s.ReplaceSubscription(t.Context(), sub); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Subscription(t.Context(), sub.ID); err != nil || got.Sealed != "" || got.TargetURL != sub.TargetURL {
				t.Errorf("after it was replaced: %+v, %v", got, err)
			}
		})
	}
}

// Each way to write a subscription must leave a right checksum.
func TestEveryWriteOfASubscriptionIsSummed(t *testing.T) {
	t.Parallel()
	s := reopen(t, filepath.Join(t.TempDir(), "hookferry.db"))
	now := time.Now().UTC().Truncate(time.Microsecond)
	sub := event.Subscription{ID: event.NewID(now), TargetURL: "https://example.com/", Secrets: []event.Secret{"one"}, Active: true, CreatedAt: now, UpdatedAt: now}
	swapped := sub
	swapped.Secrets = []event.Secret{"two"}
	d := event.Delivery{ID: event.NewID(now), SubscriptionID: sub.ID, DueAt: now, CreatedAt: now, LeaseOwner: "node", LeasedUntil: now.Add(time.Minute)}
	e := event.Event{ID: event.NewID(now), CreatedAt: now, Payload: []byte(`{}`)}
	d.ID, d.EventID = event.DeliveryID(e.ID, sub.ID), e.ID
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"create", func() error { return s.CreateSubscription(t.Context(), sub) }},
		{"swap", func() error { _, err := s.SwapSecrets(t.Context(), sub, swapped); return err }},
		{"replace", func() error { _, err := s.ReplaceSubscription(t.Context(), swapped); return err }},
		{"disable", func() error {
			if _, err := s.Accept(t.Context(), event.Acceptance{Event: e, Deliveries: []event.Delivery{d}}); err != nil {
				return err
			}
			gone := event.Outcome{StartedAt: now, StatusCode: 410, Code: event.CodeGone, Error: "gone"}
			return s.Record(t.Context(), []event.Settlement{event.Settle(d, gone, nil, now, 0)})
		}},
		{"delete", func() error { return s.DeleteSubscription(t.Context(), sub.ID, now, 0) }},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		got, err := s.Subscription(t.Context(), sub.ID)
		findings, auditErr := s.Audit(t.Context(), now, now)
		if err != nil || got.Sealed != "" || auditErr != nil || len(findings) > 0 {
			t.Errorf("after %s: %+v, %v; findings %v, %v", step.name, got, err, findings, auditErr)
		}
		if disabled := step.name == "disable"; disabled && got.Active {
			t.Error("the subscription is still active after 410")
		}
	}
}

// Each column of a subscription counts: a row with another value in one of them is held back.
func TestTheChecksumCoversEveryColumn(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	path := filepath.Join(t.TempDir(), "hookferry.db")
	s := reopen(t, path)
	sub := event.Subscription{ID: event.NewID(now), TargetURL: "https://example.com/", Active: true, CreatedAt: now, UpdatedAt: now}
	if err := s.CreateSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	db := openSQL(t, path)
	rows, err := db.QueryContext(t.Context(), `SELECT name FROM pragma_table_info('subscriptions') WHERE name NOT IN ('id', 'checksum')`)
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(columns) < 20 {
		t.Fatalf("found the columns %v, %v", columns, err)
	}
	for _, c := range columns {
		change := `UPDATE subscriptions SET ` + c + ` = CASE typeof(` + c + `) WHEN 'text' THEN ` + c + ` || 'x' WHEN 'null' THEN '[]' ELSE ` + c + ` + 1 END`
		if _, err := db.ExecContext(t.Context(), `CREATE TABLE kept AS SELECT * FROM subscriptions; `+change); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Subscription(t.Context(), sub.ID); err != nil || got.Sealed == "" {
			t.Errorf("with another value of %s it is not held back, %v", c, err)
		}
		if _, err := db.ExecContext(t.Context(), `UPDATE subscriptions SET `+c+` = (SELECT `+c+` FROM kept); DROP TABLE kept`); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Subscription(t.Context(), sub.ID); err != nil || got.Sealed != "" {
		t.Errorf("as it was, it is held back: %s, %v", got.Sealed, err)
	}
}
