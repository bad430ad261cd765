package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

func TestETagIsTheRevision(t *testing.T) {
	s := newServer(t)
	created := s.want(201, s.do("POST", "/subscriptions/", minimal))
	path := "/subscriptions/" + created.json["id"].(string)
	for _, c := range []struct {
		r    reply
		want string
	}{
		{created, `"1"`},
		{s.do("GET", path, ""), `"1"`},
		{s.do("HEAD", path, ""), `"1"`},
		{s.do("PUT", path, minimal), `"2"`},
		{s.do("PATCH", path, `{"description": "x"}`), `"3"`},
		{s.do("PUT", path, `{}`), ``}, // refused
		{s.do("GET", path, ""), `"3"`},
		{s.do("GET", "/subscriptions/", ""), ``},
	} {
		if got := c.r.header.Get("ETag"); got != c.want {
			t.Errorf("ETag is %q, want %q: %d %s", got, c.want, c.r.status, c.r.text)
		}
	}
}

func TestIfMatch(t *testing.T) {
	for _, c := range []struct {
		reason string
		header string
		status int // 2 means success
	}{
		{"the revision", `"3"`, 2},
		{"anything", `*`, 2},
		{"anything, with spaces", "\t* ", 2},
		{"among others", `"1", "3", "x"`, 2},
		{"among others, without spaces", `"1","3"`, 2},
		{"with empty elements, as RFC 9110 lets lists have", `, "3" ,, `, 2},
		{"a weak tag before it", `W/"3", "3"`, 2},
		{"an older revision", `"2"`, 412},
		{"a later revision", `"4"`, 412},
		{"others", `"1", "2"`, 412},
		{"a weak tag never matches", `W/"3"`, 412},
		{"not a number", `"abc"`, 412},
		{"an empty tag", `""`, 412},
		{"another spelling of the number", `"03"`, 412},
		{"with a sign", `"+3"`, 412},
		{"a number past int64", `"99999999999999999999"`, 412},
		{"zero does not mean any revision", `"0"`, 412},
		{"a comma within a tag", `"1,3"`, 412},
		{"a letter outside ASCII, which a tag may have", `"é"`, 412},
		{"no quotes", `3`, 400},
		{"single quotes", `'3'`, 400},
		{"no closing quote", `"3`, 400},
		{"no opening quote", `3"`, 400},
		{"no comma between two tags", `"1" "3"`, 400},
		{"something behind", `"3"x`, 400},
		{"a lower-case w", `w/"3"`, 400},
		{"a weak tag without quotes", `W/3`, 400},
		{"* before a tag", `*, "3"`, 400},
		{"* after a tag", `"3", *`, 400},
		{"a space within a tag", `"3 "`, 400},
		{"only commas", `,,`, 400},
	} {
		for method, body := range map[string]string{"PUT": minimal, "PATCH": `{"description": "x"}`, "DELETE": ``} {
			s := newServer(t)
			id := s.create(minimal)
			s.memory.subscriptions[0].Revision = 3
			r := s.do(method, "/subscriptions/"+id, body, "If-Match: "+c.header)
			wantCode := map[int]string{400: "malformed_header", 412: "precondition_failed"}[c.status]
			if r.status != c.status && r.status/100 != c.status || r.code() != wantCode {
				t.Errorf("%s: %s with If-Match %s responds with %d %s", c.reason, method, c.header, r.status, r.text)
			}
			if now := s.memory.subscriptions[0]; (now.Revision == 3 && !now.Deleted()) != (c.status > 2) {
				t.Errorf("%s: %s with If-Match %s leaves the revision %d", c.reason, method, c.header, now.Revision)
			}
			if detail, _ := r.json["detail"].(string); c.status == 412 && !strings.Contains(detail, `which is "3"`) {
				t.Errorf("%s: %s does not name the revision: %s", c.reason, method, detail)
			}
		}
	}
}

func TestIfMatchInTwoHeadersIsOneList(t *testing.T) {
	p, err := readPrecondition(map[string][]string{"If-Match": {`"1"`, `"3"`}})
	if err != nil || len(p.revisions) != 2 {
		t.Errorf("read as %+v, %v", p, err)
	}
	if _, err := readPrecondition(map[string][]string{"If-Match": {""}}); err == nil {
		t.Error("an empty header is accepted")
	}
}

// The existence of the subscription is checked first, then the revision, then the body.
func TestIfMatchAndOtherFaults(t *testing.T) {
	s := newServer(t)
	unknown := event.NewID(testTime).String()
	id := s.create(minimal)
	for _, c := range []struct {
		path, header, body string
		status             int
	}{
		{unknown, "*", minimal, 404},
		{unknown, `"1"`, minimal, 404},
		{unknown, `1`, minimal, 404},
		{id, `"2"`, `{`, 412},
		{id, `"1"`, `{`, 400},
		{id, `*`, `{}`, 422},
	} {
		s.want(c.status, s.do("PUT", "/subscriptions/"+c.path, c.body, "If-Match: "+c.header))
	}
}

// Another change comes between reading and writing.
func TestOvertakenChanges(t *testing.T) {
	for _, c := range []struct {
		reason, method, body, header string
		times                        int // how often a change is overtaken
		status                       int
	}{
		{"a patch keeps what others changed", "PATCH", `{"description": "mine"}`, "", 1, 200},
		{"a patch is repeated many times", "PATCH", `{"description": "mine"}`, "", 20, 200},
		{"a patch with If-Match: *", "PATCH", `{"description": "mine"}`, "*", 3, 200},
		{"a patch that names a revision is refused", "PATCH", `{"description": "mine"}`, `"1"`, 1, 412},
		{"a patch that names both revisions", "PATCH", `{"description": "mine"}`, `"1", "2"`, 1, 200},
		{"the change is given up if others never stop", "PATCH", `{"description": "mine"}`, "", 1000, 503},
		{"a replace overwrites what others changed", "PUT", `{` + good + `, "description": "mine"}`, "", 1, 200},
		{"with If-Match it is refused", "PUT", `{` + good + `, "description": "mine"}`, `"1"`, 1, 412},
		{"a delete ignores other changes", "DELETE", ``, "", 1, 204},
		{"with If-Match it is refused", "DELETE", ``, `"1"`, 1, 412},
	} {
		s := newServer(t)
		id := s.create(minimal)
		n := 0
		s.memory.overtake = func() {
			if n++; n <= c.times {
				stored := &s.memory.subscriptions[0]
				stored.Revision++
				stored.MaxInFlight = n
			}
		}
		var headers []string
		if c.header != "" {
			headers = []string{"If-Match: " + c.header}
		}
		r := s.want(c.status, s.do(c.method, "/subscriptions/"+id, c.body, headers...))
		now := s.memory.subscriptions[0]
		switch c.status {
		case 200:
			if now.Description != "mine" || (now.MaxInFlight == c.times) != (c.method == "PATCH") {
				t.Errorf("%s: stored as %q with %d in flight", c.reason, now.Description, now.MaxInFlight)
			}
		case 412:
			if now.Description != "" || now.Deleted() || !strings.Contains(r.text, fmt.Sprintf(`which is \"%d\"`, 1+c.times)) {
				t.Errorf("%s: stored as %q, deleted is %v: %s", c.reason, now.Description, now.Deleted(), r.text)
			}
		}
	}
}

func FuzzIfMatch(f *testing.F) {
	for _, text := range []string{`"3"`, `*`, `W/"3", "4"`, `3`, `"3`, `,`, `"a" "b"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := readPrecondition(map[string][]string{"If-Match": {text}})
		if err != nil {
			if problem, known := problemOf(err); !known || problem.Status != 400 {
				t.Errorf("%q is refused with %v", text, err)
			}
			return
		}
		for _, revision := range p.revisions {
			if !strings.Contains(text, etag(revision)) {
				t.Errorf("%q is read as %d", text, revision)
			}
		}
		// A well-formed header keeps its meaning next to a tag that matches nothing.
		longer, err := readPrecondition(map[string][]string{"If-Match": {text, `W/"0"`}})
		if p.any != (err != nil) || err == nil && len(longer.revisions) != len(p.revisions) {
			t.Errorf("%q is read as %+v, and with another tag as %+v, %v", text, p, longer, err)
		}
	})
}
