package event_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hookferry/hookferry/internal/event"
)

func TestCheckEventType(t *testing.T) {
	long := strings.Repeat("x", event.MaxEventType)
	tests := []struct {
		reason, text string
		want         string // a part of the message; "" if the type is valid
	}{
		{"one segment", "ping", ""},
		{"two", "user.created", ""},
		{"everything that is allowed", "A-z_0:9/x.y", ""},
		{"only digits", "2026.1", ""},
		{"the longest", long, ""},
		{"one byte more", long + "x", "257 bytes"},
		{"much more", strings.Repeat("x", 100_000), "100000 bytes"},
		{"nothing", "", "empty"},
		{"only a dot", ".", "empty segment"},
		{"a dot before", ".user", "empty segment"},
		{"a dot after", "user.", "empty segment"},
		{"two dots", "user..created", "empty segment"},
		{"a pattern is not a type", "user.*", `'*'`},
		{"the pattern for all is not a type", "*", `'*'`},
		{"a space", "user created", `' '`},
		{"a newline, for a header or a log", "user\r\nX-Evil: 1", `'\r'`},
		{"a NUL byte", "user\x00", `'\x00'`},
		{"a letter outside ASCII is quoted whole", "benützer", `'ü'`},
		{"bytes that are not UTF-8", "user\xff\xfe", `'\xff'`},
		{"a letter that looks like another", "usеr", `'е'`},
		{"markup", "<script>", `'<'`},
		{"a backslash", `user\created`, `'\\'`},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			wantMessage(t, event.CheckEventType(tt.text), strings.ReplaceAll(tt.want, "'", `"`))
		})
	}
}

// wantMessage checks that there is a message if and only if one is wanted, that it contains the
// wanted text, and that it is short even if the input is long.
func wantMessage(t *testing.T, got, want string) {
	t.Helper()
	switch {
	case want == "" && got != "":
		t.Errorf("refused: %s", got)
	case want != "" && !strings.Contains(got, want):
		t.Errorf("got the message %q, want one with %q", got, want)
	case len(got) > 500:
		t.Errorf("the message has %d bytes", len(got))
	}
}

func TestCheckPattern(t *testing.T) {
	long := strings.Repeat("x", event.MaxEventType)
	tests := []struct{ reason, text, want string }{
		{"everything", "*", ""},
		{"a type", "user.created", ""},
		{"all below", "user.*", ""},
		{"all below a deeper one", "user.email.*", ""},
		{"the longest", long[2:] + ".*", ""},
		{"one byte too long", long[1:] + ".*", "257 bytes"},
		{"nothing", "", "empty"},
		{"nothing before the star", ".*", "empty"},
		{"an empty segment before the star", "user..*", "empty segment"},
		{"a star without its dot", "user*", "last segment"},
		{"a star first", "*.created", "last segment"},
		{"a star in the middle", "user.*.created", "last segment"},
		{"two stars", "user.*.*", "last segment"},
		{"two stars together", "user.**", "last segment"},
		{"stars alone", "**", "last segment"},
		{"a star before a dot and star", "*.*", "last segment"},
		{"a space", "user .*", `" "`},
		{"a newline", "user\n.*", `"\n"`},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) { wantMessage(t, event.CheckPattern(tt.text), tt.want) })
	}
}

func TestWants(t *testing.T) {
	tests := []struct {
		reason   string
		patterns []string
		types    []string
		want     bool
	}{
		{"no patterns match everything", nil, []string{"a", "user.created"}, true},
		{"an empty list is no patterns", []string{}, []string{"a"}, true},
		{"a star matches everything", []string{"*"}, []string{"a", "a.b.c"}, true},
		{"a type matches itself", []string{"user.created"}, []string{"user.created"}, true},
		{"a type matches nothing else", []string{"user.created"}, []string{"user", "user.created.x", "user.create", "xuser.created"}, false},
		{"case matters", []string{"user.created", "user.*"}, []string{"User.created", "USER.CREATED"}, false},
		{"one level or more below", []string{"user.*"}, []string{"user.created", "user.email.changed", "user.a.b.c.d"}, true},
		{"not itself", []string{"user.*"}, []string{"user", "user."}, false},
		{"not a type that only begins with the same letters", []string{"user.*"}, []string{"users.created", "username", "user-x.y"}, false},
		{"below a deeper one", []string{"user.email.*"}, []string{"user.email.changed"}, true},
		{"not itself or beside it", []string{"user.email.*"}, []string{"user.email", "user.phone.changed"}, false},
		{"any of several", []string{"a", "b.*", "c"}, []string{"a", "b.x", "c"}, true},
		{"none of several", []string{"a", "b.*", "c"}, []string{"d", "b", "ab"}, false},
		{"a dot is a dot", []string{"user.created"}, []string{"userxcreated"}, false},
	}
	for _, tt := range tests {
		for _, eventType := range tt.types {
			if got := event.Wants(tt.patterns, eventType); got != tt.want {
				t.Errorf("%s: %q wants %q is %v", tt.reason, tt.patterns, eventType, got)
			}
		}
	}
}

func anyEventType() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-z0-9_:/-]{1,8}(\.[A-Za-z0-9]{1,5}){0,4}`)
}

func TestWantsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkWants(t, anyEventType().Draw(t, "type"), anyEventType().Draw(t, "other")) })
}

// checkWants checks rules that hold for every pair of an accepted pattern and type.
func checkWants(t interface{ Fatalf(string, ...any) }, eventType, other string) {
	segments := strings.Split(eventType, ".")
	for _, p := range []string{eventType, "*"} {
		if msg := event.CheckPattern(p); msg != "" || !event.Wants([]string{p}, eventType) {
			t.Fatalf("the pattern %q (%s) does not want %q", p, msg, eventType)
		}
	}
	for i := 1; i <= len(segments); i++ {
		p := strings.Join(segments[:i], ".") + ".*"
		if got, below := event.Wants([]string{p}, eventType), i < len(segments); got != below {
			t.Fatalf("the pattern %q wants %q is %v", p, eventType, got)
		}
	}
	if got, want := event.Wants([]string{eventType + ".*"}, other), strings.HasPrefix(other, eventType+".") && len(other) > len(eventType)+1; got != want {
		t.Fatalf("the pattern %q wants %q is %v", eventType+".*", other, got)
	}
	if !event.Wants([]string{other, eventType}, eventType) {
		t.Fatalf("%q is not wanted with the additional pattern %q", eventType, other)
	}
}

func FuzzWants(f *testing.F) {
	f.Add("user.*", "user.created")
	f.Add("*", "*")
	f.Add("a..b", ".")
	f.Add("\xff", "ü.*")
	f.Fuzz(func(t *testing.T, pattern, eventType string) {
		wanted := event.Wants([]string{pattern}, eventType)
		okType, okPattern := event.CheckEventType(eventType) == "", event.CheckPattern(pattern) == ""
		if okType {
			checkWants(t, eventType, pattern)
			if event.CheckPattern(eventType) != "" {
				t.Fatalf("the type %q is not a pattern", eventType)
			}
		}
		if okType && okPattern && wanted != naiveWants(pattern, eventType) {
			t.Fatalf("%q wants %q is %v", pattern, eventType, wanted)
		}
	})
}

// naiveWants implements the rule again, by comparing segments.
func naiveWants(pattern, eventType string) bool {
	p, e := strings.Split(pattern, "."), strings.Split(eventType, ".")
	if last := len(p) - 1; p[last] == "*" {
		return len(e) > last && strings.Join(p[:last], ".") == strings.Join(e[:last], ".")
	}
	return pattern == eventType
}
