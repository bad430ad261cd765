package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

func TestIngestPassesOnTheBytesAndHeaders(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	body := "{\"event\":\"user.created\", \"data\":{\"z\":1e400,\"a\":9007199254740993} }\n"
	s.do("POST", "/webhooks/ingest/"+id, body, "Content-Type: application/vnd.shop+json; charset=UTF-8", "Idempotency-Key: k 1", "webhook-id: msg_1")
	got := s.memory.submissions[0]
	if string(got.Body) != body || got.ContentType != "application/vnd.shop+json; charset=UTF-8" || got.IdempotencyKey != "k 1" || got.Header.Get("webhook-id") != "msg_1" || got.SubscriptionID.String() != id {
		t.Errorf("handed on as %+v", got)
	}
}

func TestIngestResponses(t *testing.T) {
	s := newServer(t)
	id := s.create(`{"target_url": "https://example.com/hook", "event_types": ["user.*"]}`)
	for _, path := range []string{"/webhooks/ingest/" + id, "/webhooks/ingest/" + id + "/", "/webhooks/ingest/" + strings.ToUpper(id)} {
		r := s.want(202, s.do("POST", path, `{"event":"user.created","data":{}}`))
		if len(r.json) != 3 || r.json["status"] != "pending" || r.header.Get("Content-Type") != "application/json" {
			t.Errorf("responds with %s", r.text)
		}
		for _, name := range []string{"delivery_id", "event_id"} {
			if _, err := event.ParseID(r.json[name].(string)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	r := s.want(200, s.do("POST", "/webhooks/ingest/"+id, `{"event":"order.paid","data":{}}`))
	if r.json["status"] != "filtered" || r.json["reason"] == "" || len(r.json) != 2 {
		t.Errorf("a filtered event responds with %s", r.text)
	}
}

func TestIngestReplays(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	const body = `{"event":"a","data":1}`
	first := s.want(202, s.do("POST", "/webhooks/ingest/"+id, body, "Idempotency-Key: k1"))
	again := s.want(202, s.do("POST", "/webhooks/ingest/"+id, body, "Idempotency-Key: k1"))
	if first.text != again.text || first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("first %s %v, again %s %v", first.text, first.header, again.text, again.header)
	}
	other := s.want(422, s.do("POST", "/webhooks/ingest/"+id, `{"event":"a","data":2}`, "Idempotency-Key: k1"))
	if other.code() != "idempotency_key_reused" || other.field("Idempotency-Key") == "" {
		t.Errorf("another body responds with %s", other.text)
	}
}

func TestIngestRefusesBadIdempotencyKeys(t *testing.T) {
	for _, c := range []struct{ keys, reason string }{
		{"", "empty"},
		{strings.Repeat("k", 256), "256 characters"},
		{"caf\u00e9", "not ASCII"},
		{"a\tb", "a control character"},
		{"one\x00two", "given twice"},
	} {
		s := newServer(t)
		if _, err := idempotencyKey(strings.Split(c.keys, "\x00")); err == nil {
			t.Errorf("%s: accepted", c.reason)
		} else if p, _ := problemOf(err); p.Status != 422 || p.Errors[0].Field != "Idempotency-Key" {
			t.Errorf("%s: %v", c.reason, p)
		}
		if c.keys != "" && !strings.Contains(c.keys, "\x00") {
			id := s.create(minimal)
			s.want(422, s.do("POST", "/webhooks/ingest/"+id, `{"event":"a","data":1}`, "Idempotency-Key: "+c.keys))
		}
	}
	if key, err := idempotencyKey([]string{strings.Repeat("k", 255)}); err != nil || len(key) != 255 {
		t.Errorf("255 characters are refused: %v", err)
	}
}

// failing is an Ingester that returns an error.
type failing struct{ err error }

func (f failing) Ingest(context.Context, event.Submission) (event.Submitted, error) {
	return event.Submitted{}, f.err
}

func TestEveryErrorHasItsStatus(t *testing.T) {
	const inside = "dial tcp 10.1.2.3:5432: SELECT"
	wrap := func(err error) error { return fmt.Errorf("%s: %w", inside, err) }
	for _, c := range []struct {
		err    error
		status int
		code   string
		logged bool
	}{
		{wrap(event.ErrNotFound), 404, "not_found", false},
		{wrap(event.ErrBadID), 404, "not_found", false},
		{fmt.Errorf("%w: %s", event.ErrInactive, "the endpoint responded with 410 Gone"), 409, "subscription_inactive", false},
		{wrap(event.ErrKeyReused), 422, "idempotency_key_reused", false},
		{wrap(event.ErrUnauthorized), 401, "signature_invalid", false},
		{fmt.Errorf("%w: the JSON is invalid at byte 7", event.ErrMalformed), 400, "malformed_body", false},
		{wrap(event.ErrUnavailable), 503, "unavailable", false},
		{wrap(event.ErrFull), 507, "storage_full", false},
		{wrap(event.Invalid("event", "must not be empty")), 422, "invalid", false},
		{errors.New(inside), 500, "internal_error", true},
	} {
		s := newServer(t, func(o *Options) { o.Ingest = failing{c.err} })
		r := s.want(c.status, s.do("POST", "/webhooks/ingest/"+event.NewID(testTime).String(), `{"event":"a","data":1}`))
		if r.code() != c.code || strings.Contains(r.text, inside) {
			t.Errorf("%v responds with %s", c.err, r.text)
		}
		if lines := strings.Count(s.log.String(), inside); lines > 1 || (lines == 1) != c.logged {
			t.Errorf("%v: %d lines in the log: %s", c.err, lines, s.log)
		}
		if got := r.header.Get("Retry-After"); (got != "") != (c.status == 503 || c.status == 507) {
			t.Errorf("%v: Retry-After is %q", c.err, got)
		}
		if got := r.header.Get("WWW-Authenticate"); (got != "") != (c.status == 401) {
			t.Errorf("%v: WWW-Authenticate is %q", c.err, got)
		}
		if c.status == 400 && r.field("body") != "the JSON is invalid at byte 7" || c.status == 409 && !strings.Contains(r.text, "410 Gone") {
			t.Errorf("%v: the text for the caller is missing: %s", c.err, r.text)
		}
	}
}

// panicking is an Ingester that panics.
type panicking struct{ cause any }

func (p panicking) Ingest(context.Context, event.Submission) (event.Submitted, error) {
	panic(p.cause)
}

func TestPanicIsReportedAndLogged(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Ingest = panicking{"a fault inside"} })
	r := s.want(500, s.do("POST", "/webhooks/ingest/"+event.NewID(testTime).String(), `{"event":"a","data":1}`))
	if r.code() != "internal_error" || strings.Contains(r.text, "a fault inside") {
		t.Errorf("responds with %s", r.text)
	}
	if strings.Count(s.log.String(), "a fault inside") != 1 || !strings.Contains(s.log.String(), "ingest_test.go") {
		t.Errorf("the log does not say where it happened: %s", s.log)
	}
	s.want(200, s.do("GET", "/livez", ""))
}

// The value of a panic may contain a subscription or a whole request.
func TestPanicShowsNoSecret(t *testing.T) {
	sub := event.Subscription{Secrets: []event.Secret{testSecret}, Headers: event.Headers{"X-Auth": testCredential}}
	request := event.Submission{Header: http.Header{"Authorization": {"Bearer " + testKey}}}
	for _, cause := range []any{sub, &sub, []event.Subscription{sub}, request, fmt.Errorf("with %+v", sub), fmt.Sprint(sub), testSecret[:0]} {
		s := newServer(t, func(o *Options) { o.Ingest = panicking{cause} }) // cleanup searches the log
		s.want(500, s.do("POST", "/webhooks/ingest/"+event.NewID(testTime).String(), `{"event":"a","data":1}`))
		if !strings.Contains(s.log.String(), "request panicked") {
			t.Errorf("%T: nothing is logged", cause)
		}
	}
}

func TestDisconnectedCallerIsNotAnError(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx    context.Context
		logged bool
		reason string
	}{
		{gone, false, "the caller disconnected"},
		{t.Context(), true, "the service cancelled something itself"},
	} {
		var log safeBuffer
		a := &api{Config: Config{Log: slog.New(slog.NewTextHandler(&log, nil))}}
		a.fail(httptest.NewRecorder(), httptest.NewRequestWithContext(c.ctx, "GET", "/", nil), context.Canceled)
		if logged := log.String() != ""; logged != c.logged {
			t.Errorf("%s: the log is %q", c.reason, log.String())
		}
	}
}
