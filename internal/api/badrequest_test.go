package api

import (
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// idOperations are the operations with an id in their path, and the kind of the id.
var idOperations = []struct {
	method, path, body string
	wants              kind
}{
	{"GET", "/subscriptions/", "", aSubscription},
	{"PUT", "/subscriptions/", minimal, aSubscription},
	{"DELETE", "/subscriptions/", "", aSubscription},
	{"POST", "/webhooks/ingest/", `{"event":"a","data":1}`, aSubscription},
	{"GET", "/status/delivery/", "", aDelivery},
	{"GET", "/status/subscription/", "", aSubscription},
}

func TestMalformedIDs(t *testing.T) {
	s := newServer(t)
	unknown := event.NewID(testTime).String()
	ids := []string{
		"x", "1", "null", strings.Repeat("a", 4000), "{" + unknown + "}", "urn:uuid:" + unknown, strings.ReplaceAll(unknown, "-", ""),
		unknown + "%00", "%00", "%ff%fe", "';%20DROP%20TABLE", "..%2f..%2fetc", unknown[:35] + "g", "%0d%0aX-Evil:%201",
	}
	for _, o := range idOperations {
		for _, id := range ids {
			r := s.do(o.method, o.path+id, o.body)
			detail, _ := r.json["detail"].(string)
			if r.status != 404 || r.code() != "not_found" || !strings.Contains(detail, "is not an id; an id looks like 0190b2c4-") || len(detail) > 300 {
				t.Errorf("%s %s%.100s responds with %d %s", o.method, o.path, id, r.status, r.text)
			}
		}
		r := s.do(o.method, o.path+unknown, o.body)
		detail, _ := r.json["detail"].(string)
		if r.status != 404 || r.code() != "not_found" || !strings.HasPrefix(detail, "No "+string(o.wants)+" has this id.") {
			t.Errorf("%s %s and an unknown id responds with %d %s", o.method, o.path, r.status, r.text)
		}
	}
}

// All ids look alike. Someone who mixes them up is told where the object is.
func TestIDOfAnotherKind(t *testing.T) {
	s := newServer(t)
	subscription, deleted := s.create(minimal), s.create(minimal)
	s.want(204, s.do("DELETE", "/subscriptions/"+deleted, ""))
	delivery := s.ingest(subscription).String()
	event := s.memory.deliveries[0].Delivery.EventID.String()
	for _, o := range idOperations {
		words := map[string]string{event: event + " is the id of an event, not of a " + string(o.wants) + "; its delivery is at /status/delivery/" + delivery + "."}
		switch o.wants {
		case aDelivery:
			for _, id := range []string{subscription, deleted} {
				words[id] = id + " is the id of a subscription, not of a delivery; its attempts are listed at /status/subscription/" + id + "."
			}
		case aSubscription:
			words[delivery] = delivery + " is the id of a delivery, not of a subscription; it is at /status/delivery/" + delivery + "."
			if o.path != "/status/subscription/" {
				words[deleted] = "Subscription " + deleted + " was deleted at 2026-11-23T17:44:"
			}
		}
		for id, want := range words {
			r := s.want(404, s.do(o.method, o.path+id, o.body))
			if detail, _ := r.json["detail"].(string); !strings.HasPrefix(detail, want) || r.code() != "not_found" {
				t.Errorf("%s %s says %q, want %q", o.method, o.path+id, detail, want)
			}
		}
	}
}

func TestAnEventsDeliveriesAreNamed(t *testing.T) {
	var ids []event.ID
	for _, c := range []struct{ n, named int }{{1, 1}, {2, 2}, {maxNamed, maxNamed}, {maxNamed + 1, maxNamed}} {
		for len(ids) < c.n {
			ids = append(ids, event.NewID(testTime))
		}
		got := deliveryPaths(ids[:c.n])
		if n := strings.Count(got, "/status/delivery/"); n != c.named || strings.Contains(got, " and more") != (c.n > c.named) {
			t.Errorf("of %d: %s", c.n, got)
		}
	}
}

func TestInHours(t *testing.T) {
	for d, want := range map[time.Duration]string{
		72 * time.Hour: "72h", 90 * time.Minute: "1h30m", 30 * time.Minute: "30m", 10 * time.Second: "10s", 10 * time.Hour: "10h", 100 * time.Minute: "1h40m",
	} {
		if got := inHours(d); got != want {
			t.Errorf("%v is written as %q, want %q", d, got, want)
		}
	}
}

func TestContentTypes(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	long := "application/json; a=" + strings.Repeat("b", 300)
	for _, c := range []struct {
		value, keep string // "" means that value is refused
		reason      string
	}{
		{"application/json", "application/json", "plain"},
		{"application/json; charset=utf-8", "application/json; charset=utf-8", "with its only charset"},
		{`Application/JSON;charset="UTF-8"`, `Application/JSON;charset="UTF-8"`, "in another case"},
		{"application/vnd.api+json", "application/vnd.api+json", "a kind of JSON"},
		{"application/problem+json", "application/problem+json", "another"},
		{"application/cloudevents+json; charset=UTF-8", "application/cloudevents+json; charset=UTF-8", "a third, with its charset"},
		{"application/json; profile=x", "application/json; profile=x", "a parameter that does not affect the bytes"},
		{"application/json; charset=utf8", "application/json", "an unregistered subtype"},
		{"application/json;charset=UTF8", "application/json", "in capitals"},
		{`application/json; charset="utf-8`, "application/json", "a quote that is not closed"},
		{"application/json; charset=latin1", "application/json", "another charset: the parameter has no effect, and the body is UTF-8"},
		{"application/json; charset=utf-16", "application/json", "another charset that does not apply"},
		{`application/json; charset="x"`, "application/json", "a charset that does not exist"},
		{"application/json; charset=", "application/json", "an empty charset"},
		{"application/json; charset", "application/json", "no value"},
		{"application/json;", "application/json;", "no parameter after the semicolon"},
		{"application/json ; ", "application/json ;", "an empty parameter and spaces"},
		{"application/json; =", "application/json", "no name"},
		{"application/json;;charset=utf-8", "application/json", "an empty parameter"},
		{"application/json; charset=utf-8; charset=x", "application/json", "a parameter twice"},
		{"application/json; charset: utf-8", "application/json", "a colon"},
		{"Application/Vnd.Shop+JSON; charset=x", "application/vnd.shop+json", "a kind of JSON with another charset"},
		{"application/json; a=\"\xff\"", "application/json", "bytes that a text column refuses"},
		{"application/json; a=\"caf\u00e9\"", "application/json", "not ASCII"},
		{long, "application/json", "too long to be stored with an event"},
		{"", "", "no type: a page on another site could send this without a preflight"},
		{"text/plain", "", "text"},
		{"text/plain; application/json", "", "text/plain with JSON in a parameter"},
		{"application/x-www-form-urlencoded", "", "the default of curl"},
		{"multipart/form-data; boundary=x", "", "a form"},
		{"text/json", "", "not a registered name"},
		{"image/svg+json", "", "not an application type"},
		{"application/json, text/plain", "", "two types in one"},
		{"application/json text/plain", "", "two types in one, with a space"},
		{"application/+json; a b", "application/+json", "nothing before the plus"},
		{"application/" + strings.Repeat("x", 300) + "+json; charset=x", "", "a media type that is too long"},
		{"; charset=utf-8", "", "not a media type"},
	} {
		body := `{"event":"a","data":1}`
		s.memory.submissions = nil
		for path, body := range map[string]string{"/subscriptions/": minimal, "/webhooks/ingest/" + id: body} {
			r := s.do("POST", path, body, "Content-Type: "+c.value)
			if taken := r.status/100 == 2; taken != (c.keep != "") || !taken && r.status != 415 {
				t.Errorf("%s: %s responds with %d %s", c.reason, path, r.status, r.text)
			}
			if c.keep == "" && c.value != "" && len(c.value) < 80 && !strings.Contains(r.text, strings.ReplaceAll(c.value, `"`, `\"`)) {
				t.Errorf("%s: the response does not say what is refused: %s", c.reason, r.text)
			}
		}
		if kept := s.memory.submissions; c.keep != "" && (len(kept) != 1 || kept[0].ContentType != c.keep) {
			t.Errorf("%s: kept as %+v, want %q", c.reason, kept, c.keep)
		}
	}
	for _, two := range [][]string{{"application/json", "text/plain"}, {"application/json", "application/json"}} {
		if _, ok := jsonTypeOf(two); ok {
			t.Errorf("two headers are accepted: %q", two)
		}
	}
}

func TestContentEncodings(t *testing.T) {
	s := newServer(t)
	for coding, status := range map[string]int{"identity": 201, "gzip": 415, "identity, gzip": 415, "br": 415} {
		r := s.want(status, s.do("POST", "/subscriptions/", minimal, "Content-Encoding: "+coding))
		if status == 415 && !strings.Contains(r.text, coding) {
			t.Errorf("%s: the response does not say what is refused: %s", coding, r.text)
		}
	}
}

func TestBodyStart(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	for _, c := range []struct{ reason, before, says string }{
		{"a byte order mark", "\xef\xbb\xbf", "it begins with a byte order mark (EF BB BF); remove it"},
		{"UTF-16, little-endian", "\xff\xfe", "it begins with the byte order mark of UTF-16 (FF FE); send UTF-8"},
		{"UTF-16, big-endian", "\xfe\xff", "it begins with the byte order mark of UTF-16 (FE FF); send UTF-8"},
	} {
		for path, body := range map[string]string{"/subscriptions/": minimal, "/webhooks/ingest/" + id: `{"event":"a","data":1}`} {
			if r := s.want(400, s.do("POST", path, c.before+body)); !strings.Contains(r.field("body"), c.says) {
				t.Errorf("%s: %s responds with %s", c.reason, path, r.text)
			}
		}
	}
}

func TestBodiesOverTheLimit(t *testing.T) {
	s := newServer(t, func(o *Options) { o.MaxBody = 1000 })
	id := s.create(minimal)
	for _, c := range []struct {
		size    int
		chunked bool
		status  int
	}{{1000, false, 2}, {1000, true, 2}, {1001, false, 4}, {1001, true, 4}, {100_000, true, 4}, {100_000, false, 4}} {
		for path, body := range map[string]string{"/subscriptions/": minimal, "/webhooks/ingest/" + id: `{"event":"a","data":1}`} {
			body += strings.Repeat(" ", c.size-len(body))
			req := httptest.NewRequest("POST", path, strings.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			if c.chunked {
				req.ContentLength = -1
			}
			w := httptest.NewRecorder()
			s.Config.Handler.ServeHTTP(w, req)
			if w.Code/100 != c.status || c.status == 4 && (w.Code != 413 || !strings.Contains(w.Body.String(), "body_too_large")) {
				t.Errorf("%s, %d bytes, chunked %v: %d %s", path, c.size, c.chunked, w.Code, w.Body)
			}
		}
	}
}

// breaking is a body that ends with an error.
type breaking struct {
	io.Reader
	err error
}

func (b breaking) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

func TestBodiesThatDoNotArrive(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	for _, c := range []struct {
		reason string
		err    error
		length int64
		status int
		code   string
	}{
		{"half sent", io.ErrUnexpectedEOF, 100, 400, "malformed_body"},
		{"half sent, in chunks", io.ErrUnexpectedEOF, -1, 400, "malformed_body"},
		{"shorter than Content-Length", io.EOF, 100, 400, "malformed_body"},
		{"reset", errors.New("read tcp 10.1.2.3:8000: connection reset by peer"), -1, 400, "malformed_body"},
		{"slow", os.ErrDeadlineExceeded, 100, 408, "body_timeout"},
		{"slow, in chunks", os.ErrDeadlineExceeded, -1, 408, "body_timeout"},
		{"empty", io.EOF, 0, 400, "malformed_body"},
		{"empty, in chunks", io.EOF, -1, 400, "malformed_body"},
	} {
		for _, path := range []string{"/subscriptions/", "/webhooks/ingest/" + id} {
			sent := `{"event":`
			if strings.HasPrefix(c.reason, "empty") {
				sent = ""
			}
			req := httptest.NewRequest("POST", path, breaking{strings.NewReader(sent), c.err})
			req.Header.Set("Content-Type", "application/json")
			req.ContentLength = c.length
			w := httptest.NewRecorder()
			s.Config.Handler.ServeHTTP(w, req)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.code) || strings.Contains(w.Body.String(), "10.1.2.3") {
				t.Errorf("%s: %s responds with %d %s", c.reason, path, w.Code, w.Body)
			}
		}
	}
	if s.log.String() != "" {
		t.Errorf("a caller's fault is logged as an error of the service: %s", s.log)
	}
}

func TestBadQueries(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	for _, c := range []struct {
		query  string
		status int
		field  string
	}{
		{"limit=0", 422, "limit"},
		{"limit=251", 422, "limit"},
		{"limit=-1", 422, "limit"},
		{"limit=1e2", 422, "limit"},
		{"limit=", 422, "limit"},
		{"limit=99999999999999999999", 422, "limit"},
		{"limit=1&limit=2", 422, "limit"},
		{"cursor=", 422, "cursor"},
		{"cursor=x", 422, "cursor"},
		{"cursor=%00", 422, "cursor"},
		{"cursor=" + id + "&cursor=" + id, 422, "cursor"},
		{"next=" + id, 422, "next"}, // otherwise it would get the first page again and again
		{"bogus=1", 422, "bogus"},
		{"limit=%zz", 400, ""},
		{"limit=1;cursor=x", 400, ""},
	} {
		for _, path := range []string{"/subscriptions/", "/status/subscription/" + id} {
			r := s.do("GET", path+"?"+c.query, "")
			if r.status != c.status || c.field != "" && r.field(c.field) == "" {
				t.Errorf("%s?%s responds with %d %s", path, c.query, r.status, r.text)
			}
		}
	}
}
