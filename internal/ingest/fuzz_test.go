package ingest

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hookferry/hookferry/internal/event"
)

// FuzzReadEventType compares readEnvelope with the standard library. A body that readEnvelope accepts
// must be valid JSON for the library and have the same event type. A body that it refuses as
// malformed must be invalid for the library, not UTF-8, or nested too deeply.
func FuzzReadEventType(f *testing.F) {
	for _, seed := range []string{
		`{"event": "user.created", "data": {"id": 123}}`, `{"data":[1e400,"\ud800",{"x":1,"x":2}],"\u0065vent":"a"}`,
		`{"event":"a","event":"b","data":1}`, `{"event":1}`, `{}`, `[]`, ``, "\ufeff{}", `{"event":"a","data":"` + "\xff" + `"}`,
		`{"event":"a","data":` + deep(60) + `}`, `{"event":"a","data":1} x`, `{"event":"a","data":01}`, `{"x":1}`, `null`, `{"event":"a","data":"\u0000"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := string(body)
		got, err := readEnvelope(body)
		if string(body) != before {
			t.Fatal("the body was changed")
		}
		var invalid *event.InvalidError
		switch {
		case err == nil:
			checkAccepted(t, body, got)
		case errors.Is(err, event.ErrMalformed):
			if json.Valid(body) && utf8.Valid(body) && strings.Count(before, "[")+strings.Count(before, "{") < 10_000 {
				t.Errorf("valid JSON is called malformed: %v", err)
			}
		case !errors.As(err, &invalid):
			t.Errorf("an error of another kind: %v", err)
		}
		if err != nil && !utf8.ValidString(err.Error()) {
			t.Errorf("the message is not valid UTF-8: %q", err)
		}
	})
}

func checkAccepted(t *testing.T, body []byte, e envelope) {
	got := e.eventType
	if !json.Valid(body) {
		t.Fatal("accepted a body that is not valid JSON")
	}
	var fields map[string]json.RawMessage
	var want string
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatalf("accepted a body that is not an object: %v", err)
	}
	if err := json.Unmarshal(fields["event"], &want); err != nil || want != got || len(fields) != 2 || fields["data"] == nil {
		t.Errorf("read the event type %q from fields %v, want %q", got, fields, want)
	}
	if data := body[e.dataAt : e.dataAt+e.dataLen]; string(data) != string(fields["data"]) {
		t.Errorf("data is at %d and is %q, want %q", e.dataAt, data, fields["data"])
	}
	if data := (&event.Event{Payload: body}).Data(); string(data) != string(fields["data"]) {
		t.Errorf("without its position, data is %q, want %q", data, fields["data"])
	}
	if problem := event.CheckEventType(got); problem != "" {
		t.Errorf("accepted the event type %q, which %s", got, problem)
	}
}

func BenchmarkReadEventType(b *testing.B) {
	body := []byte(`{"event": "user.created", "data": {"id": 123, "name": "John Doe", "tags": ["a", "b"], "text": "`)
	body = append(body, strings.Repeat("x", 1024-len(body)-3)...)
	body = append(body, `"}}`...)
	if len(body) != 1024 {
		b.Fatal(len(body))
	}
	b.SetBytes(1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readEnvelope(body); err != nil {
			b.Fatal(err)
		}
	}
}
