package api

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
)

// names returns the names of the subscriptions on a page, and the response.
func (s *server) names(path string) (names string, r reply) {
	s.Helper()
	r = s.want(200, s.do("GET", path, ""))
	var list []string
	for _, item := range r.json["data"].([]any) {
		list = append(list, item.(map[string]any)["name"].(string))
	}
	return strings.Join(list, " "), r
}

func TestSubscriptionFilters(t *testing.T) {
	s := newServer(t)
	for _, body := range []string{
		`"name": "a", "tenant": "acme", "uid": "Shop-1"`,
		`"name": "b", "tenant": "acme", "description": "Bestellungen für MÜLLER", "event_types": ["order.*"]`,
		`"name": "c", "event_types": ["user.created"]`,
		`"name": "d", "is_active": false`,
	} {
		s.create(`{"target_url": "https://example.com/Hook", ` + body + `}`)
	}
	m := s.memory
	m.subscriptions[0].PausedAt = testTime
	m.subscriptions[1].Health = event.Health{Failing: true, FailingSince: testTime}
	m.subscriptions[3].PausedAt = testTime
	for query, want := range map[string]string{
		"":                              "d c b a",
		"tenant=acme":                   "b a",
		"tenant=default":                "d c",
		"state=disabled":                "d",
		"state=paused":                  "a",
		"state=failing":                 "b",
		"state=healthy":                 "c",
		"event_type=order.paid":         "d b a",
		"event_type=user.created":       "d c a",
		"q=m%C3%BCller":                 "b",
		"q=SHOP-1":                      "a",
		"q=/hook":                       "d c b a",
		"q=":                            "d c b a",
		"q=nothing":                     "",
		"sort=name":                     "a b c d",
		"sort=created":                  "d c b a",
		"sort=name&tenant=acme&q=order": "",
		"tenant=acme&state=paused&event_type=x&q=shop&sort=name": "a",
	} {
		if got, r := s.names("/subscriptions/?" + query); got != want || r.json["searched_until"] != nil || r.json["next"] != nil || r.json["prev"] != nil {
			t.Errorf("%s finds %q, want %q: %s", query, got, want, r.text)
		}
	}
	for _, item := range s.do("GET", "/subscriptions/?sort=name", "").json["data"].([]any) {
		show := item.(map[string]any)
		want := map[string]string{"a": "paused", "b": "failing", "c": "healthy", "d": "disabled"}[show["name"].(string)]
		if show["state"] != want {
			t.Errorf("%v is %v, want %s", show["name"], show["state"], want)
		}
	}
}

func TestBadSubscriptionQueries(t *testing.T) {
	s := newServer(t)
	id := event.NewID(testTime)
	for _, c := range []struct{ reason, query, field string }{
		{"an unknown state", "state=idle", "state"},
		{"an empty state", "state=", "state"},
		{"a state twice", "state=paused&state=failing", "state"},
		{"an unknown sort", "sort=worst", "sort"},
		{"a pattern as a type", "event_type=user.*", "event_type"},
		{"an empty tenant, as from a variable that is not set", "tenant=", "tenant"},
		{"two tenants", "tenant=a&tenant=b", "tenant"},
		{"a text that is too long", "q=" + strings.Repeat("x", 201), "q"},
		{"a text that is not UTF-8", "q=%ff", "q"},
		{"an unknown parameter", "name=x", "name"},
		{"a limit of 0", "limit=0", "limit"},
		{"a limit of 251", "limit=251", "limit"},
		{"an empty cursor", "cursor=", "cursor"},
		{"two cursors", "cursor=a&cursor=b", "cursor"},
		{"no cursor", "cursor=x", "cursor"},
		{"a cursor of another sort", "sort=name&cursor=" + cursor{order: byCreation, id: id}.String(), "cursor"},
		{"the same the other way", "cursor=" + cursor{order: byName, id: id, name: "a"}.String(), "cursor"},
		{"a cursor of another list", "cursor=" + cursor{order: ofTenants, name: "a"}.String(), "cursor"},
		{"an id, which is a cursor by creation", "sort=name&cursor=" + id.String(), "cursor"},
		{"a cursor that is cut", "cursor=" + cursor{order: byCreation, id: id}.String()[:20], "cursor"},
		{"a cursor without a position", "cursor=" + base64.RawURLEncoding.EncodeToString([]byte("c>"+strings.Repeat("\x00", 16))), "cursor"},
		{"a cursor without a direction", "cursor=" + base64.RawURLEncoding.EncodeToString([]byte("c="+string(id[:]))), "cursor"},
		{"a cursor whose name no database takes", "sort=name&cursor=" + base64.RawURLEncoding.EncodeToString([]byte("n>"+string(id[:])+"\x00")), "cursor"},
		{"a cursor that is too long", "sort=name&cursor=" + cursor{order: byName, id: id, name: strings.Repeat("x", 1000)}.String(), "cursor"},
	} {
		if r := s.want(422, s.do("GET", "/subscriptions/?"+c.query, "")); r.field(c.field) == "" {
			t.Errorf("%s: %s", c.reason, r.text)
		}
	}
	if s.memory.pages > 0 {
		t.Error("the store was asked")
	}
	s.want(200, s.do("GET", "/subscriptions/?cursor="+id.String(), "")) // of release 0.1.0
	if r := s.want(404, s.do("GET", "/subscriptions/?tenant=nobody", "")); r.code() != "tenant_not_found" {
		t.Errorf("responds with %s", r.text)
	}
}

// Pages are walked forwards to the end and back to the start, in each sort, with and without a filter.
// Forwards and backwards show the same.
func TestPagesForwardsAndBackwards(t *testing.T) {
	s := newServer(t)
	var byNames, byAge []string
	for i := range 20 {
		name := fmt.Sprintf("%02d", i/2) // each name twice
		s.create(fmt.Sprintf(`{"target_url": "https://example.com/%d", "name": %q}`, i%3, name))
		byNames, byAge = append(byNames, name), append([]string{name}, byAge...)
	}
	var third, thirdByAge []string
	for i := range 20 {
		if i%3 == 0 {
			third, thirdByAge = append(third, fmt.Sprintf("%02d", i/2)), append([]string{fmt.Sprintf("%02d", i/2)}, thirdByAge...)
		}
	}
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"sort=name", byNames},
		{"sort=created", byAge},
		{"sort=name&q=com/0", third},
		{"sort=created&q=com/0", thirdByAge},
	} {
		for _, limit := range []int{1, 2, 3, 7, 20, 21} {
			path := fmt.Sprintf("/subscriptions/?%s&limit=%d", c.query, limit)
			var forwards, backwards []string
			names, r := s.names(path)
			for {
				forwards = append(forwards, strings.Fields(names)...)
				if r.json["next"] == nil {
					break
				}
				names, r = s.names(path + "&cursor=" + r.json["next"].(string))
			}
			for {
				backwards = append(strings.Fields(names), backwards...)
				if r.json["prev"] == nil {
					break
				}
				names, r = s.names(path + "&cursor=" + r.json["prev"].(string))
			}
			if !cmp.Equal(forwards, c.want) || !cmp.Equal(backwards, c.want) {
				t.Errorf("%s\nforwards  %v\nbackwards %v\nwant      %v", path, forwards, backwards, c.want)
			}
		}
	}
}

// A search that finds little stops after 8 ms, and goes on from there with its cursor.
func TestASearchIsStoppedAndGoesOn(t *testing.T) {
	var passed atomic.Int64
	s := newServer(t, func(o *Options) {
		o.Now = func() time.Time { return testTime.Add(time.Duration(passed.Add(3)) * time.Millisecond) }
	})
	const n = 5 * searchPage
	for i := range n {
		sub := event.Subscription{ID: event.NewID(testTime.Add(time.Duration(i) * time.Second)), Tenant: "default", Name: fmt.Sprintf("%05d", i), CreatedAt: testTime.Add(time.Duration(i) * time.Second)}
		s.memory.subscriptions = append(s.memory.subscriptions, sub)
	}
	s.memory.subscriptions[0].Description = "the needle" // the last in the list
	for _, sort := range []string{"created", "name"} {
		if sort == "name" {
			s.memory.subscriptions[n-1].Description, s.memory.subscriptions[0].Description = "the needle", ""
		}
		path, cursor, found, requests := "/subscriptions/?q=needle&sort="+sort, "", "", 0
		for {
			s.memory.pages = 0
			names, r := s.names(path + cursor)
			requests++
			found += names
			if s.memory.pages > 3 {
				t.Errorf("one request read %d pages", s.memory.pages)
			}
			if r.json["next"] == nil {
				if r.json["searched_until"] != nil {
					t.Errorf("a complete search was stopped: %s", r.text)
				}
				break
			}
			want := fmt.Sprintf("%05d", requests*3*searchPage-1)
			if sort == "created" {
				want = s.memory.subscriptions[n-requests*3*searchPage].CreatedAt.Format(time.RFC3339Nano)
			}
			if r.json["searched_until"] != want || names != "" {
				t.Errorf("searched until %v, want %s; found %q", r.json["searched_until"], want, names)
			}
			cursor = "&cursor=" + r.json["next"].(string)
		}
		if want := map[string]string{"created": "00000", "name": fmt.Sprintf("%05d", n-1)}[sort]; found != want || requests != 2 {
			t.Errorf("sort=%s: %d requests found %q, want %q", sort, requests, found, want)
		}
	}
}
