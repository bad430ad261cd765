package sqlite_test

import (
	"bytes"
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
			c, err := s.Claim(t.Context(), event.ClaimRequest{Owner: "node", Now: now, Until: now.Add(time.Minute), Limit: 10, Room: 10})
			if err != nil || len(c.Deliveries) != 1 || c.Deliveries[0].Event.ID != whole.ID {
				t.Fatalf("claimed %+v, %v; want the other event alone", c.Deliveries, err)
			}
			r, err := s.Delivery(t.Context(), event.DeliveryID(e.ID, sub.ID))
			if err != nil || r.Delivery.Status != event.Failed || len(r.Attempts) != 1 || r.Attempts[0].Outcome.Code != event.CodeDamaged || r.Attempts[0].Outcome.Error == "" {
				t.Errorf("%+v, %v; want it to have failed, and to say why", r, err)
			}
		})
	}
}

// flipLast flips a bit of the last byte of the last place in a file that holds the text.
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
