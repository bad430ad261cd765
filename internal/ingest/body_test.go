package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hookferry/hookferry/internal/event"
)

func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// TestReadEventType gives for each body the event type, or the invalid fields, or "malformed".
func TestReadEventType(t *testing.T) {
	kilo := strings.Repeat("k", 100_000)
	for _, c := range []struct{ body, want, why string }{
		{`{"event": "user.created", "data": {"id": 123}}`, "user.created", "the example of the documentation"},
		{`{"data":{},"event":"a"}`, "a", "in either order"},
		{`{"event":"a","data":null}`, "a", "data may be any value"},
		{`{"event":"a","data":"text"}`, "a", "data may be any value"},
		{`{"event":"a","data":-0.0}`, "a", "data may be any value"},
		{`{"event":"a","data":[1,[],{}]}`, "a", "data may be any value"},
		{"\r\n\t " + `{ "event" : "a" , "data" : 1 }` + "\r\n\t ", "a", "all white space of JSON"},
		{strings.Repeat(" ", 1<<20) + `{"event":"a","data":1}` + strings.Repeat("\n", 1<<20), "a", "much white space"},
		{`{"\u0065vent":"\u0061.b","data":1}`, "a.b", "escapes are decoded"},
		{`{"event":"a","data":{"x":1,"x":2}}`, "a", "inside data, duplicate names are allowed"},
		{`{"event":"a","data":[1e400,-1E-999,123456789012345678901234567890.5]}`, "a", "numbers that do not fit in a float64"},
		{`{"event":"a","data":"\u0000"}`, "a", "an escaped NUL is valid"},
		{`{"event":"a","data":["\ud800","\udc00\ud800"]}`, "a", "a lone surrogate is valid by the grammar"},
		{`{"event":"a","data":"` + "\x7f\u2028\U0010ffff" + `"}`, "a", "any character above the control characters is valid"},
		{`{"event":"a","data":` + deep(9998) + `}`, "a", "nearly 10,000 levels"},
		{`{"event":"a","data":` + `"` + kilo + `"` + `}`, "a", "100 kB of text in data"},

		{``, "malformed", "nothing"},
		{" \n\t\r", "malformed", "only white space"},
		{"\ufeff", "malformed", "only a byte order mark"},
		{"\ufeff" + `{"event":"a","data":1}`, "malformed", "a byte order mark, which JSON forbids"},
		{"\u00a0" + `{"event":"a","data":1}`, "malformed", "a space that is not white space of JSON"},
		{`{"event":"a","data":1`, "malformed", "cut off"},
		{`{"event":"a","data":1}}`, "malformed", "one brace too many"},
		{`{"event":"a","data":1} x`, "malformed", "text after the object"},
		{`{"event":"a","data":1}{"event":"a","data":1}`, "malformed", "two objects"},
		{`{"event":"a","data":1}` + "\x00", "malformed", "a NUL after the object"},
		{`{"event":"a","data":1,}`, "malformed", "an extra comma"},
		{`{"event":"a" "data":1}`, "malformed", "a missing comma"},
		{`{"event":"a","data"}`, "malformed", "a name without a value"},
		{`{event:"a",data:1}`, "malformed", "names without quotes"},
		{`{'event':'a','data':1}`, "malformed", "single quotes"},
		{`{"event":"a","data":1 /* one */}`, "malformed", "a comment"},
		{`{"event":"a","data":NaN}`, "malformed", "not a number"},
		{`{"event":"a","data":01}`, "malformed", "a leading zero"},
		{`{"event":"a","data":.5}`, "malformed", "no digit before the point"},
		{`{"event":"a","data":+1}`, "malformed", "a plus"},
		{`{"event":"a","data":tru}`, "malformed", "half a word"},
		{`{"event":"a","data":"` + "\n" + `"}`, "malformed", "a raw line break in a string"},
		{`{"event":"a","data":"` + "\x00" + `"}`, "malformed", "a raw NUL in a string"},
		{`{"event":"a","data":"\x41"}`, "malformed", "an escape that JSON does not have"},
		{`{"event":"a","data":"\u12g4"}`, "malformed", "half an escape"},
		{`{"event":"a","data":"` + "\xff" + `"}`, "malformed", "invalid UTF-8 in a string"},
		{`{"event":"a","data":"` + "\xc0\xaf" + `"}`, "malformed", "an overlong form"},
		{`{"event":"a","data":"` + "\xed\xa0\x80" + `"}`, "malformed", "a surrogate in UTF-8"},
		{"\xff\xfe{\x00}\x00", "malformed", "UTF-16"},
		{"\x1f\x8b\x08\x00\x00\x00", "malformed", "gzip"},
		{`{"event":"a","data":` + deep(10_001) + `}`, "malformed", "deeper than 10,000"},
		{`{"event":"a","data":` + strings.Repeat(`{"a":`, 200_000), "malformed", "deeper, and truncated"},
		{strings.Repeat(`[`, 1_000_000), "body", "an array, even with invalid JSON after it"},
		{`event=user.created&data=1`, "malformed", "a form"},
		{`<event/>`, "malformed", "XML"},

		{`[]`, "body", "not an object"},
		{`"a"`, "body", "not an object"},
		{`1`, "body", "not an object"},
		{`null`, "body", "not an object"},
		{`true`, "body", "not an object"},

		{`{}`, "event data", "both are missing"},
		{`{"event":"a"}`, "data", "missing"},
		{`{"data":1}`, "event", "missing"},
		{`{"event":null,"data":1}`, "event", "not a string"},
		{`{"event":1,"data":1}`, "event", "not a string"},
		{`{"event":true,"data":1}`, "event", "not a string"},
		{`{"event":["a"],"data":1}`, "event", "not a string"},
		{`{"event":{"a":{}},"data":1}`, "event", "not a string"},
		{`{"event":"","data":1}`, "event", "empty"},
		{`{"event":"a b","data":1}`, "event", "a space"},
		{`{"event":"a..b","data":1}`, "event", "an empty segment"},
		{`{"event":"user.*","data":1}`, "event", "a pattern"},
		{`{"event":"a\r\nX-Evil: 1","data":1}`, "event", "a type that would split a header"},
		{`{"event":"a\u0000","data":1}`, "event", "a NUL"},
		{`{"event":"\ud800","data":1}`, "event", "a lone surrogate"},
		{`{"event":"üser","data":1}`, "event", "a letter outside ASCII"},
		{`{"event":"` + kilo + `","data":1}`, "event", "100 kB"},
		{`{"event":"a","event":"a","data":1}`, "event", "twice with the same value"},
		{`{"event":"a","\u0065vent":"b","data":1}`, "event", "twice, once escaped"},
		{`{"event":"a","data":1,"data":1}`, "data", "twice"},
		{`{"event":"a","data":1,"extra":1}`, "extra", "unknown"},
		{`{"Event":"a","data":1}`, "Event", "unknown: names are case-sensitive"},
		{`{"":1}`, "", "an empty name"},
		{`{"` + kilo + `":1}`, strings.Repeat("k", 64) + "…", "a name of 100 kB, of which the message quotes 64 bytes"},
		{`{"` + strings.Repeat("ü", 40) + `x":1}`, strings.Repeat("ü", 32) + "…", "a long name of two bytes a letter"},
		{`{"x` + strings.Repeat("ü", 40) + `":1}`, "x" + strings.Repeat("ü", 31) + "…", "a long name that 64 bytes would cut inside a letter"},
	} {
		got, err := readEnvelope([]byte(c.body))
		if result := describe(got.eventType, err); result != c.want {
			t.Errorf("%.60q: got %.80q, want %.80q: %s (%v)", c.body, result, c.want, c.why, err)
		}
		if err != nil && (len(err.Error()) > 300 || !utf8.ValidString(err.Error())) {
			t.Errorf("%.60q: the message has %d bytes, or is not valid UTF-8: %.100q", c.body, len(err.Error()), err)
		}
	}
}

// describe returns a result in one word: the event type, "malformed", or the fields.
func describe(eventType string, err error) string {
	var invalid *event.InvalidError
	switch {
	case err == nil:
		return eventType
	case errors.Is(err, event.ErrMalformed):
		return "malformed"
	case errors.As(err, &invalid):
		var fields []string
		for _, f := range invalid.Fields {
			fields = append(fields, f.Field)
		}
		return strings.Join(fields, " ")
	}
	return "another error: " + err.Error()
}

// A truncated body is malformed, wherever it ends. The message says that the JSON ends too early, and
// not that a part of it is wrong.
func TestEveryPrefixIsMalformed(t *testing.T) {
	body := `{"event": "user.created", "data": {"a": [1.5e3, "\u00fc", true, null, {}], "b": -2}}`
	for i := range len(body) {
		if _, err := readEnvelope([]byte(body[:i])); !errors.Is(err, event.ErrMalformed) {
			t.Errorf("%q: %v", body[:i], err)
		}
	}
}

// Many goroutines reuse decoders. No part of one body may be left for the next.
func TestReadersAreIndependent(t *testing.T) {
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			for k := range 200 {
				want := fmt.Sprintf("t%d.k%d", i, k)
				readEnvelope([]byte(`{"event":"broken` + strings.Repeat("[", k)))
				got, err := readEnvelope([]byte(`{"data":[` + deep(k) + `],"event":"` + want + `"}`))
				if got.eventType != want || err != nil {
					t.Fatalf("got %q, %v, want %q", got.eventType, err, want)
				}
			}
		})
	}
}
