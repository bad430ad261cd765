package event_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// The stores persist the numbers and the API shows the words, so neither may change.
func TestStatuses(t *testing.T) {
	want := []struct {
		status event.Status
		number uint8
		word   string
	}{
		{event.Pending, 0, "pending"}, {event.Delivered, 1, "delivered"}, {event.Failed, 2, "failed"}, {event.Cancelled, 3, "cancelled"},
	}
	if len(event.Statuses) != len(want) {
		t.Fatalf("there are %d statuses, want %d", len(event.Statuses), len(want))
	}
	for i, w := range want {
		if event.Statuses[i] != w.status || uint8(w.status) != w.number || w.status.String() != w.word {
			t.Errorf("status %d is %v, want %d, %s", i, event.Statuses[i], w.number, w.word)
		}
	}
	if got := event.Status(99).String(); got != "unknown" {
		t.Errorf("an unknown status is %q", got)
	}
}

func TestOutcome(t *testing.T) {
	tests := []struct {
		reason                     string
		o                          event.Outcome
		success, final, overloaded bool
	}{
		{"a response in time", event.Outcome{StatusCode: 200}, true, false, false},
		{"the guard would block it again", event.Outcome{Code: event.CodeBlocked}, false, true, false},
		{"the endpoint responds with 410 Gone", event.Outcome{Code: event.CodeGone, StatusCode: 410}, false, true, false},
		{"the event is damaged, and would be damaged at the next attempt", event.Outcome{Code: event.CodeDamaged}, false, true, false},
		{"no request can ever be made", event.Outcome{Code: event.CodeBadTarget}, false, true, false},
		{"too slow", event.Outcome{Code: event.CodeTimeout}, false, false, true},
		{"nothing listens", event.Outcome{Code: event.CodeConnectionRefused}, false, false, true},
		{"cut off", event.Outcome{Code: event.CodeConnectionReset}, false, false, true},
		{"hung up", event.Outcome{Code: event.CodeConnectionClosed}, false, false, true},
		{"no route", event.Outcome{Code: event.CodeUnreachable}, false, false, true},
		{"no address", event.Outcome{Code: event.CodeDNS}, false, false, true},
		{"the endpoint asks for fewer requests", event.Outcome{Code: event.CodeStatus, StatusCode: 429}, false, false, true},
		{"the endpoint says that it is unavailable", event.Outcome{Code: event.CodeStatus, StatusCode: 503}, false, false, true},
		{"an error of the endpoint", event.Outcome{Code: event.CodeStatus, StatusCode: 500}, false, false, false},
		{"a mistake of the caller", event.Outcome{Code: event.CodeStatus, StatusCode: 400}, false, false, false},
		{"another place", event.Outcome{Code: event.CodeRedirect, StatusCode: 302}, false, false, false},
		{"a bad certificate", event.Outcome{Code: event.CodeTLSExpired}, false, false, false},
		{"nonsense", event.Outcome{Code: event.CodeBadResponse}, false, false, false},
	}
	for _, tt := range tests {
		if s, f, o := tt.o.Success(), tt.o.Final(), tt.o.Overloaded(); s != tt.success || f != tt.final || o != tt.overloaded {
			t.Errorf("%s: success %v, final %v, overloaded %v; want %v, %v, %v", tt.reason, s, f, o, tt.success, tt.final, tt.overloaded)
		}
	}
}

func TestRoomFor(t *testing.T) {
	full, partly, other := event.ID{1}, event.ID{2}, event.ID{3}
	r := event.ClaimRequest{Capacity: 8, CapacityOf: map[event.ID]int{full: 0, partly: 3}}
	for id, want := range map[event.ID]int{full: 0, partly: 3, other: 8} {
		if got := r.CapacityFor(id); got != want {
			t.Errorf("the capacity for %v is %d, want %d", id, got, want)
		}
	}
	if got := (event.ClaimRequest{Capacity: 8}).CapacityFor(full); got != 8 {
		t.Errorf("the capacity without overrides is %d, want 8", got)
	}
}

func TestDeleted(t *testing.T) {
	if (event.Subscription{}).Deleted() || !(event.Subscription{DeletedAt: time.Unix(0, 0)}).Deleted() {
		t.Error("a subscription must be deleted if and only if DeletedAt is set")
	}
}

func TestInvalidErrorNamesItsFields(t *testing.T) {
	err := fmt.Errorf("create: %w", &event.InvalidError{Fields: []event.FieldError{
		{Field: "target_url", Message: "must not be empty"}, {Field: "event_types[2]", Message: "has an empty segment"},
	}})
	if want := "create: target_url: must not be empty; event_types[2]: has an empty segment"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	var invalid *event.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Fields) != 2 {
		t.Errorf("%v does not wrap the InvalidError", err)
	}
	if got := event.Invalid("event", "is missing").Error(); got != "event: is missing" {
		t.Errorf("got %q", got)
	}
}
