package api

import (
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/ingest/match"
)

// withMatch checks filters and channels as the service does.
func withMatch(o *Options) {
	o.CheckChannels = match.CheckChannels
	o.CheckFilter = func(filter []byte) error {
		_, err := match.Compile(filter)
		return err
	}
}

func nested(before, core, after string, n int) string {
	return strings.Repeat(before, n) + core + strings.Repeat(after, n)
}

func TestFiltersInRequests(t *testing.T) {
	s := newServer(t, withMatch)
	id := s.create(minimal)
	digits := strings.Repeat("123456789", 45) // 405
	for _, c := range []struct {
		reason, filter string
		field          string // its beginning; "" if the filter is accepted
	}{
		{"plain", `{"event": "a"}`, ""},
		{"everything", `{}`, ""},
		{"a number of 405 digits", `{"data": {"a": ` + digits[:300] + "." + digits[300:] + `}}`, ""},
		{"a fraction of 400 digits", `{"data": {"a": {"$gt": 0.` + digits + `}}}`, ""},
		{"an exponent that is too large", `{"data": {"a": 1e99999}}`, "filter/data/a"},
		{"100 deep", `{"data": ` + nested(`{"a":`, "1", "}", 100) + `}`, "filter/data/a"},
		{"5,000 deep", `{"data": ` + nested(`{"a":`, "1", "}", 5000) + `}`, "filter"},
		{"100 deep with $not", `{"data": {"a": ` + nested(`{"$not":`, "1", "}", 100) + `}}`, "filter/data/a"},
		{"10,000 alternatives", `{"data": {"a": {"$in": [` + strings.Repeat("1,", 9999) + `1]}}}`, "filter"},
		{"10,000 branches", `{"$or": [` + strings.Repeat(`{"event":"a"},`, 9999) + `{"event":"a"}]}`, "filter"},
		{"longer than 16 KiB", `{"data": {"a": "` + strings.Repeat("x", 17<<10) + `"}}`, "filter"},
		{"an unknown part", `{"payload": {"a": 1}}`, "filter/payload"},
		{"an unknown operator", `{"data": {"a": {"$like": "x"}}}`, "filter/data/a/$like"},
		{"a path beside an operator", `{"data": {"a": {"$gt": 1, "b": 2}}}`, "filter/data/a"},
		{"no branches", `{"$or": []}`, "filter/$or"},
		{"an empty object", `{"data": {"a": {}}}`, "filter/data/a"},
		{"a regular expression that can't be compiled", `{"data": {"a": {"$regex": "("}}}`, "filter/data/a/$regex"},
		{"a dot and a slash in a name", `{"data": {"a.b/c": {"$like": 1}}}`, "filter/data/a.b~1c/$like"},
		{"a list", `[]`, "filter"},
		{"a text", `"a"`, "filter"},
		{"a name twice", `{"event": "a", "event": "b"}`, "filter.event"},
	} {
		for _, r := range []reply{
			s.do("POST", "/subscriptions/", `{"target_url": "https://example.com", "filter": `+c.filter+`}`),
			s.do("PUT", "/subscriptions/"+id, `{"target_url": "https://example.com", "filter": `+c.filter+`}`),
			s.do("PATCH", "/subscriptions/"+id, `{"filter": `+c.filter+`}`),
		} {
			if c.field == "" {
				if r.status/100 != 2 || !strings.Contains(r.text, `"filter":`+string(compact([]byte(c.filter)))) {
					t.Errorf("%s: responds with %d %.300s", c.reason, r.status, r.text)
				}
				continue
			}
			fields := fieldsOf(r.json)
			if r.status != 422 || len(fields) != 1 || !strings.HasPrefix(fields[0], c.field) {
				t.Errorf("%s: responds with %d and the fields %.100q", c.reason, r.status, fields)
			}
		}
	}
	for channel, field := range map[string]string{`[""]`: "channels[0]", `["a", "b c"]`: "channels[1]", `["` + strings.Repeat("x", 65) + `"]`: "channels[0]", `["1","2","3","4","5","6","7","8","9","10","11"]`: "channels"} {
		for _, r := range []reply{
			s.do("POST", "/subscriptions/", `{"target_url": "https://example.com", "channels": `+channel+`}`),
			s.do("POST", "/events/", `{"event": "a", "data": 1, "channels": `+channel+`}`),
			s.do("POST", "/events/match", `{"event": "a", "data": 1, "channels": `+channel+`}`),
		} {
			if r.status != 422 || r.field(field) == "" {
				t.Errorf("channels %s: responds with %d %s", channel, r.status, r.text)
			}
		}
	}
}
