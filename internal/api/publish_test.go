package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
)

func TestPublish(t *testing.T) {
	s := newServer(t)
	s.create(`{"target_url": "https://example.com", "tenant": "acme", "event_types": ["invoice.*"]}`)
	s.create(`{"target_url": "https://example.com", "tenant": "acme"}`)
	only := s.create(`{"target_url": "https://example.com", "tenant": "acme", "event_types": ["other"]}`)
	s.create(minimal)
	r := s.want(202, s.do("POST", "/events/", `{"tenant": "acme", "event": "invoice.paid", "data": {"id":1}}`))
	id := s.memory.keys["acme "].Event.String()
	want := map[string]any{"event_id": id, "tenant": "acme", "deliveries": 2.0, "refused": 0.0, "duplicate": false}
	if diff := cmp.Diff(want, r.json); diff != "" {
		t.Error(diff)
	}
	s.want(202, s.do("POST", "/events/", `{"tenant": "acme", "event": "invoice.paid", "data": {"id":1}, "channels": ["eu", "us"], "metadata": {"order": "8814"},
		"deliver_at": "2027-01-05T09:00:00.5+01:00", "subscription_id": "`+only+`", "retry": false, "idempotency_key": "k 1"}`))
	got := s.memory.published[1]
	if !got.DeliverAt.Equal(time.Date(2027, 1, 5, 8, 0, 0, 5e8, time.UTC)) || got.Subscription.String() != only {
		t.Errorf("deliver_at or subscription_id: %+v", got)
	}
	got.DeliverAt, got.Subscription = time.Time{}, event.ID{}
	if diff := cmp.Diff(event.Publication{
		Tenant: "acme", Type: "invoice.paid", Data: []byte(`{"id":1}`), Channels: []string{"eu", "us"}, Metadata: map[string]string{"order": "8814"}, SingleAttempt: true, IdempotencyKey: "k 1",
	}, got); diff != "" {
		t.Error(diff)
	}
	if r := s.want(202, s.do("POST", "/events", `{"event": "a", "data": null, "tenant": null, "channels": null, "metadata": null, "deliver_at": null, "subscription_id": null, "retry": null, "idempotency_key": null}`)); r.json["tenant"] != "default" || r.json["deliveries"] != 1.0 {
		t.Errorf("null is not absent: %s", r.text)
	}
	if diff := cmp.Diff(event.Publication{Tenant: "default", Type: "a", Data: []byte("null")}, s.memory.published[2]); diff != "" {
		t.Error(diff)
	}
}

// Data is kept byte for byte, wherever it stands in the body.
func TestPublishKeepsDataByteForByte(t *testing.T) {
	s := newServer(t)
	for _, data := range []string{
		`{"b":1,"a":2,"a":3}`, `{ "x" : [1 ,2 ] }`, `12345678901234567890.00e5`, `"\ud800"`, `"\u00e9 é"`, `{"data":{"event":"x"}}`, `[]`, `""`, `null`, `false`, `-0.0`,
		strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "{\"a\":\n\t1}",
	} {
		for _, format := range []string{`{"event":"a","data":%s}`, `{"data":%s,"event":"a"}`, "{ \"data\" :\n%s\t, \"event\":\"a\" }\n", `{"d\u0061ta":%s,"event":"a"}`} {
			s.memory.published = nil
			s.want(202, s.do("POST", "/events/", fmt.Sprintf(format, data)))
			if got := string(s.memory.published[0].Data); got != data {
				t.Errorf("data of %s is %q", fmt.Sprintf(format, data), got)
			}
		}
	}
}

var badPublications = []struct {
	reason, body string
	status       int
	field        string
}{
	{"no JSON", `event=a`, 400, "body"},
	{"only white space", ` `, 400, "body"},
	{"cut in data", `{"event": "a", "data": {"x": 1`, 400, "data"},
	{"cut after a member", `{"event": "a", "data": 1`, 400, "body"},
	{"more after the object", `{"event": "a", "data": 1}{}`, 400, "body"},
	{"a comma after the object", `{"event": "a", "data": 1},`, 400, "body"},
	{"invalid UTF-8", "{\"event\": \"a\", \"data\": \"\xff\"}", 400, "body"},
	{"10,001 lists deep", `{"event": "a", "data": ` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`, 400, "data[0]"},
	{"a list", `[]`, 422, "body"},
	{"null", `null`, 422, "body"},
	{"nothing", `{}`, 422, "event"},
	{"no data", `{"event": "a"}`, 422, "data"},
	{"no event", `{"data": 1}`, 422, "event"},
	{"event is null", `{"event": null, "data": 1}`, 422, "event"},
	{"event is empty", `{"event": "", "data": 1}`, 422, "event"},
	{"event is a number", `{"event": 1, "data": 1}`, 422, "event"},
	{"event is a pattern", `{"event": "a.*", "data": 1}`, 422, "event"},
	{"event given twice", `{"event": "a", "event": "a", "data": 1}`, 422, "event"},
	{"data given twice, once escaped", `{"event": "a", "d\u0061ta": 1, "data": 1}`, 422, "data"},
	{"event has an unpaired surrogate", `{"event": "\ud800", "data": 1}`, 422, "event"},
	{"an unknown name", `{"event": "a", "data": 1, "colour": 1}`, 422, "colour"},
	{"an unknown name with an unpaired surrogate", `{"event": "a", "data": 1, "\ud800": 1}`, 422, "\ufffd"},
	{"a name in another case", `{"Event": "a", "data": 1}`, 422, "Event"},
	{"tenant is empty", `{"event": "a", "data": 1, "tenant": ""}`, 422, "tenant"},
	{"tenant is a number", `{"event": "a", "data": 1, "tenant": 1}`, 422, "tenant"},
	{"tenant with a slash", `{"event": "a", "data": 1, "tenant": "a/b"}`, 422, "tenant"},
	{"tenant is two dots", `{"event": "a", "data": 1, "tenant": ".."}`, 422, "tenant"},
	{"tenant of 10,000 bytes", `{"event": "a", "data": 1, "tenant": "` + strings.Repeat("a", 10_000) + `"}`, 422, "tenant"},
	{"channels is a string", `{"event": "a", "data": 1, "channels": "eu"}`, 422, "channels"},
	{"a channel is null", `{"event": "a", "data": 1, "channels": [null]}`, 422, "channels[0]"},
	{"a channel is refused", `{"event": "a", "data": 1, "channels": ["bad"]}`, 422, "channels[0]"},
	{"metadata is a list", `{"event": "a", "data": 1, "metadata": []}`, 422, "metadata"},
	{"metadata of numbers", `{"event": "a", "data": 1, "metadata": {"a": 1}}`, 422, "metadata.a"},
	{"metadata of null", `{"event": "a", "data": 1, "metadata": {"a": null}}`, 422, "metadata.a"},
	{"metadata with a name twice", `{"event": "a", "data": 1, "metadata": {"a": "1", "a": "2"}}`, 422, "metadata"},
	{"metadata of more than 4 KiB", `{"event": "a", "data": 1, "metadata": {"a": "` + strings.Repeat("x", 4096) + `"}}`, 422, "metadata"},
	{"metadata with NUL", `{"event": "a", "data": 1, "metadata": {"a": "\u0000"}}`, 422, "metadata.a"},
	{"a subscription that is no id", `{"event": "a", "data": 1, "subscription_id": "shop"}`, 422, "subscription_id"},
	{"an unknown subscription", `{"event": "a", "data": 1, "subscription_id": "0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071"}`, 422, "subscription_id"},
	{"retry is a string", `{"event": "a", "data": 1, "retry": "no"}`, 422, "retry"},
	{"an empty key", `{"event": "a", "data": 1, "idempotency_key": ""}`, 422, "idempotency_key"},
	{"a key of 256 bytes", `{"event": "a", "data": 1, "idempotency_key": "` + strings.Repeat("k", 256) + `"}`, 422, "idempotency_key"},
	{"a key outside of ASCII", `{"event": "a", "data": 1, "idempotency_key": "é"}`, 422, "idempotency_key"},
	{"a key that is a number", `{"event": "a", "data": 1, "idempotency_key": 1}`, 422, "idempotency_key"},
	{"deliver_at is a number", `{"event": "a", "data": 1, "deliver_at": 1767600000}`, 422, "deliver_at"},
	{"deliver_at is empty", `{"event": "a", "data": 1, "deliver_at": ""}`, 422, "deliver_at"},
}

// refusesBad refuses channels that are called bad.
func refusesBad(o *Options) {
	o.CheckChannels = func(channels []string) error {
		for i, c := range channels {
			if c == "bad" {
				return event.Invalid(fmt.Sprintf("channels[%d]", i), "is refused")
			}
		}
		return nil
	}
}

func TestBadPublications(t *testing.T) {
	s := newServer(t, refusesBad)
	for _, path := range []string{"/events/", "/events/match"} {
		for _, c := range badPublications {
			if r := s.do("POST", path, c.body); r.status != c.status || r.field(c.field) == "" {
				t.Errorf("%s: %s responds with %d %s", c.reason, path, r.status, r.text)
			}
		}
		if r := s.do("POST", path, `{"event": "a", "data": 1, "tenant": "nobody"}`); r.status != 404 || r.code() != "tenant_not_found" || !strings.Contains(r.text, `\"nobody\"`) {
			t.Errorf("an unknown tenant: %s responds with %d %s", path, r.status, r.text)
		}
	}
	if len(s.memory.published) > 0 {
		t.Errorf("%d events were published", len(s.memory.published))
	}
	r := s.do("POST", "/events/", `{"retry": 1, "Tenant_ID": "a", "tenent": "b", "data": 1, "metdata": {}}`)
	for field, says := range map[string]string{"tenent": "did you mean tenant?", "metdata": "did you mean metadata?", "event": "is missing", "retry": "must be true or false", "Tenant_ID": "did you mean tenant?"} {
		if !strings.Contains(r.field(field), says) {
			t.Errorf("%s is %q, want %q", field, r.field(field), says)
		}
	}
	if detail := r.json["detail"].(string); !strings.HasPrefix(detail, "event: is missing") || !strings.HasSuffix(detail, "(and 4 more)") {
		t.Errorf("the detail is %s", detail)
	}
}

func TestDeliverAt(t *testing.T) {
	at := time.Date(2027, 1, 5, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		reason, text string
		want         time.Time // zero: refused
		says         string
	}{
		{"UTC", "2027-01-05T08:00:00Z", at, ""},
		{"east", "2027-01-05T09:00:00+01:00", at, ""},
		{"west, the day before", "2027-01-04T20:00:00-12:00", at, ""},
		{"half an hour", "2027-01-05T13:30:00+05:30", at, ""},
		{"an unknown zone", "2027-01-05T08:00:00-00:00", at, ""},
		{"small letters", "2027-01-05t08:00:00z", at, ""},
		{"nanoseconds", "2027-01-05T08:00:00.000000001Z", at.Add(1), ""},
		{"more digits than are kept", "2027-01-05T08:00:00.0000000000001Z", at, ""},
		{"the last second of a day", "2027-01-04T23:59:59Z", at.Add(-8*time.Hour - time.Second), ""},
		{"a leap second", "2026-12-31T23:59:60Z", time.Time{}, "a leap second"},
		{"a leap second in another zone", "2027-01-01T00:59:60+01:00", time.Time{}, "a leap second"},
		{"a second 61", "2026-12-31T23:59:61Z", time.Time{}, "RFC 3339"},
		{"no zone", "2027-01-05T08:00:00", time.Time{}, "with a time zone"},
		{"a blank for the T", "2027-01-05 08:00:00Z", time.Time{}, "RFC 3339"},
		{"a date", "2027-01-05", time.Time{}, "RFC 3339"},
		{"no seconds", "2027-01-05T08:00Z", time.Time{}, "RFC 3339"},
		{"one digit", "2027-1-5T8:00:00Z", time.Time{}, "RFC 3339"},
		{"a comma", "2027-01-05T08:00:00,5Z", time.Time{}, "RFC 3339"},
		{"30 February", "2027-02-30T08:00:00Z", time.Time{}, "RFC 3339"},
		{"24 o'clock", "2027-01-05T24:00:00Z", time.Time{}, "RFC 3339"},
		{"a zone without a colon", "2027-01-05T08:00:00+0100", time.Time{}, "RFC 3339"},
		{"a zone that there is not", "2027-01-05T08:00:00+25:00", time.Time{}, "RFC 3339"},
		{"the name of a zone", "2027-01-05T08:00:00 CET", time.Time{}, "RFC 3339"},
		{"Unix seconds", "1767600000", time.Time{}, "RFC 3339"},
		{"five digits of a year", "12027-01-05T08:00:00Z", time.Time{}, "RFC 3339"},
		{"very long", "2027-01-05T08:00:00." + strings.Repeat("0", 1000) + "Z", time.Time{}, "RFC 3339"},
	} {
		got, problem := parseTime(c.text)
		if !got.Equal(c.want) || (problem == "") == c.want.IsZero() || !strings.Contains(problem, c.says) {
			t.Errorf("%s: %s is %v, %q", c.reason, c.text, got, problem)
		}
	}
	s := newServer(t)
	if r := s.want(422, s.do("POST", "/events/", `{"event": "a", "data": 1, "deliver_at": "2026-12-31T23:59:60Z"}`)); !strings.Contains(r.field("deliver_at"), "leap second") {
		t.Errorf("responds with %s", r.text)
	}
}

func TestPublishTwice(t *testing.T) {
	s := newServer(t)
	s.create(minimal)
	const body, other = `{"event": "a", "data": 1}`, `{"event": "a", "data": 2}`
	first := s.want(202, s.do("POST", "/events/", body, "Idempotency-Key: k"))
	if first.json["duplicate"] != false || first.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("responds with %s", first.text)
	}
	for _, again := range []reply{
		s.do("POST", "/events/", body, "Idempotency-Key: k"),
		s.do("POST", "/events/", `{"event": "a", "data": 1, "idempotency_key": "k"}`),
		s.do("POST", "/events/", `{"event": "a", "data": 1, "idempotency_key": "k"}`, "Idempotency-Key: k"),
	} {
		if s.want(202, again); again.json["duplicate"] != true || again.json["event_id"] != first.json["event_id"] || again.json["deliveries"] != 1.0 || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("responds with %s", again.text)
		}
	}
	if r := s.do("POST", "/events/", other, "Idempotency-Key: k"); r.status != 422 || r.code() != "idempotency_key_reused" {
		t.Errorf("another event responds with %d %s", r.status, r.text)
	}
	if r := s.want(422, s.do("POST", "/events/", `{"event": "a", "data": 1, "idempotency_key": "l"}`, "Idempotency-Key: k")); r.field("idempotency_key") == "" {
		t.Errorf("two keys respond with %s", r.text)
	}
	s.want(422, s.do("POST", "/events/", body, "Idempotency-Key: é"))
}

func TestPublishErrors(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		err        error
		status     int
		code       string
		retryAfter string
	}{
		{fmt.Errorf("%w: 10 a second", event.ErrRateLimited), 429, "rate_limited", "1"},
		{fmt.Errorf("%w: 10 are pending", event.ErrBacklog), 429, "backlog_full", "30"},
		{fmt.Errorf("%w: 10 are pending", event.ErrTenantLimit), 422, "tenant_limit", ""},
		{event.ErrNotTaken, 503, "not_taken", "2"},
		{event.ErrStale, 503, "unavailable", "2"},
		{event.ErrUnavailable, 503, "unavailable", "2"},
		{event.ErrFull, 507, "storage_full", "30"},
		{event.Invalid("data", "does not conform to the schema"), 422, "invalid", ""},
	} {
		s.memory.fail = c.err
		r := s.do("POST", "/events/", `{"event": "a", "data": 1}`)
		if r.status != c.status || r.code() != c.code || r.header.Get("Retry-After") != c.retryAfter {
			t.Errorf("%v responds with %d %v %s", c.err, r.status, r.header, r.text)
		}
	}
}

func TestMatch(t *testing.T) {
	s := newServer(t)
	var ids []string
	for i := range 5 {
		ids = append(ids, s.create(fmt.Sprintf(`{"target_url": "https://example.com", "event_types": ["%c"]}`, 'a'+i%2)))
	}
	s.create(`{"target_url": "https://example.com", "tenant": "acme"}`)
	var got []string
	path := "/events/match?limit=2"
	for cursor := ""; ; {
		r := s.want(200, s.do("POST", path+cursor, `{"event": "a", "data": 1, "idempotency_key": "k"}`))
		for i, item := range r.json["data"].([]any) {
			m := item.(map[string]any)
			matched := m["matched"] == true
			if _, has := m["delivery"]; !has || m["delivery"] != nil || matched != (m["rule"] == nil) || matched != (m["reason"] == nil) || matched != (len(got)%2 == 0) {
				t.Errorf("entry %d is %v", i, m)
			}
			got = append(got, m["subscription_id"].(string))
		}
		next, more := r.json["next"].(string)
		if !more {
			break
		}
		cursor = "&cursor=" + next
	}
	if !cmp.Equal(got, ids) || len(s.memory.published) > 0 {
		t.Errorf("got %v, want %v; %d were published", got, ids, len(s.memory.published))
	}
	for _, query := range []string{"?limit=0", "?cursor=x", "?tenant=acme"} {
		s.want(422, s.do("POST", "/events/match"+query, `{"event": "a", "data": 1}`))
	}
}

func FuzzPublishBody(f *testing.F) {
	for _, c := range badPublications {
		if len(c.body) < 1000 {
			f.Add([]byte(c.body))
		}
	}
	f.Add([]byte(`{"event": "a", "data": {"a":1,"a":2}, "channels": ["x"], "metadata": {"a": "b"}, "deliver_at": "2027-01-05T08:00:00Z", "retry": false}`))
	a := newHandler(f, testOptions(&memory{})).(*api)
	f.Fuzz(func(t *testing.T, body []byte) {
		before := string(body)
		pub, err := a.readPublication(body)
		if string(body) != before {
			t.Errorf("the body was changed: %q", body)
		}
		if err != nil {
			if p, known := problemOf(err); !known || p.Status != 400 && p.Status != 422 {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		if !strings.Contains(before, string(pub.Data)) || len(pub.Data) == 0 || event.CheckEventType(pub.Type) != "" {
			t.Errorf("%q is read as %+v", body, pub)
		}
		items, err := a.readBatch([]byte(`{"events": [` + before + `,` + before + "]}"))
		if err != nil || len(items) != 2 || items[1].err != nil || string(items[1].pub.Data) != string(pub.Data) || items[1].pub.Type != pub.Type {
			t.Errorf("%q in a batch is %+v, %v", body, items, err)
		}
	})
}
