package match_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest/match"
)

// kinds are values of each JSON type, and values that look like another type. Each is the member x.
var kinds = []string{
	"absent", "null", "true", "false", "5", "5.0", "-7", `"5"`, `"abc"`, `""`, "[]", "[5]", `["abc","b"]`, `[[5]]`, "{}", `{"a":5}`, `[{"a":5},{"a":6}]`,
}

// TestEachOperatorWithEachType lists the values that meet each condition. No other value may meet
// it.
func TestEachOperatorWithEachType(t *testing.T) {
	tests := []struct {
		condition string
		meets     string // separated by spaces
	}{
		{`null`, `null`},
		{`true`, `true`},
		{`false`, `false`},
		{`5`, `5 5.0 [5] [[5]]`},
		{`0.5e1`, `5 5.0 [5] [[5]]`},
		{`"5"`, `"5"`},
		{`"abc"`, `"abc" ["abc","b"]`},
		{`""`, `""`},
		{`[]`, `[]`},
		{`[5]`, `[5] [[5]]`},
		{`["abc","b"]`, `["abc","b"]`},
		{`["b","abc"]`, ``},
		{`{"a":5}`, `{"a":5} [{"a":5},{"a":6}]`},
		{`{"a":{"$exist":false}}`, `absent null true false 5 5.0 -7 "5" "abc" "" [5] ["abc","b"] [[5]] {}`},

		{`{"$eq":null}`, `null`},
		{`{"$eq":5}`, `5 5.0 [5] [[5]]`},
		{`{"$eq":"abc"}`, `"abc" ["abc","b"]`},
		{`{"$eq":{}}`, `{}`},
		{`{"$eq":{"a":5.0}}`, `{"a":5} [{"a":5},{"a":6}]`},
		{`{"$eq":[[5]]}`, `[[5]]`},

		{`{"$neq":null}`, `absent true false 5 5.0 -7 "5" "abc" "" [] [5] ["abc","b"] [[5]] {} {"a":5} [{"a":5},{"a":6}]`},
		{`{"$neq":5}`, `absent null true false -7 "5" "abc" "" [] ["abc","b"] {} {"a":5} [{"a":5},{"a":6}]`},
		{`{"$neq":{"a":5}}`, `absent null true false 5 5.0 -7 "5" "abc" "" [] [5] ["abc","b"] [[5]] {}`},

		{`{"$gt":4.999}`, `5 5.0 [5] [[5]]`},
		{`{"$gt":5}`, ``},
		{`{"$gt":-8}`, `5 5.0 -7 [5] [[5]]`},
		{`{"$gt":""}`, `"5" "abc" ["abc","b"]`},
		{`{"$gte":5}`, `5 5.0 [5] [[5]]`},
		{`{"$gte":"abc"}`, `"abc" ["abc","b"]`},
		{`{"$lt":5}`, `-7`},
		{`{"$lt":"abc"}`, `"5" ""`},
		{`{"$lte":5}`, `5 5.0 -7 [5] [[5]]`},
		{`{"$lte":""}`, `""`},
		{`{"$gt":4,"$lt":6}`, `5 5.0 [5] [[5]]`},

		{`{"$in":[5,"abc",null]}`, `null 5 5.0 "abc" [5] ["abc","b"] [[5]]`},
		{`{"$in":[true,[5]]}`, `true [5] [[5]]`},
		{`{"$in":[{"a":6}]}`, `[{"a":5},{"a":6}]`},
		{`{"$nin":[5,"abc",null]}`, `absent true false -7 "5" "" [] {} {"a":5} [{"a":5},{"a":6}]`},
		{`{"$nin":[[]]}`, `absent null true false 5 5.0 -7 "5" "abc" "" [5] ["abc","b"] [[5]] {} {"a":5} [{"a":5},{"a":6}]`},

		{`{"$exist":true}`, `null true false 5 5.0 -7 "5" "abc" "" [] [5] ["abc","b"] [[5]] {} {"a":5} [{"a":5},{"a":6}]`},
		{`{"$exist":false}`, `absent`},

		{`{"$startsWith":"ab"}`, `"abc" ["abc","b"]`},
		{`{"$startsWith":""}`, `"5" "abc" "" ["abc","b"]`},
		{`{"$startsWith":["5","ab"]}`, `"5" "abc" ["abc","b"]`},
		{`{"$endsWith":"bc"}`, `"abc" ["abc","b"]`},
		{`{"$endsWith":["5","b"]}`, `"5" ["abc","b"]`},
		{`{"$contains":"b"}`, `"abc" ["abc","b"]`},
		{`{"$contains":"bc"}`, `"abc"`},
		{`{"$contains":""}`, `"5" "abc" ""`},
		{`{"$contains":5}`, `[5]`},
		{`{"$contains":[5]}`, `[[5]]`},
		{`{"$contains":{"a":6}}`, `[{"a":5},{"a":6}]`},
		{`{"$regex":"^[a-c]+$"}`, `"abc" ["abc","b"]`},
		{`{"$regex":""}`, `"5" "abc" "" ["abc","b"]`},
		{`{"$regex":"(?i)B"}`, `"abc" ["abc","b"]`},

		{`{"$and":[{"$gt":4},{"$lt":6}]}`, `5 5.0 [5] [[5]]`},
		{`{"$and":["abc","b"]}`, `["abc","b"]`},
		{`{"$or":[5,null,{"$exist":false}]}`, `absent null 5 5.0 [5] [[5]]`},
		{`{"$not":5}`, `absent null true false -7 "5" "abc" "" [] ["abc","b"] {} {"a":5} [{"a":5},{"a":6}]`},
		{`{"$not":{"a":5}}`, `absent null true false 5 5.0 -7 "5" "abc" "" [] [5] ["abc","b"] [[5]] {}`},
		{`{"$not":{"$not":"abc"}}`, `"abc" ["abc","b"]`},
		{`{"a":{"$gt":5}}`, `[{"a":5},{"a":6}]`},
		{`{"a":{"$neq":5}}`, `absent null true false 5 5.0 -7 "5" "abc" "" [5] ["abc","b"] [[5]] {} [{"a":5},{"a":6}]`},
	}
	for _, tt := range tests {
		meets := strings.Fields(tt.meets)
		filter := `{"data":{"x":` + tt.condition + `}}`
		f := compile(t, filter)
		for _, kind := range kinds {
			data := `{"y":1,"x":` + kind + `}`
			if kind == "absent" {
				data = `{"y":1}`
			}
			if got := f.Match(&match.Event{Data: []byte(data)}); got != slices.Contains(meets, kind) {
				t.Errorf("%s holds for %s is %v", tt.condition, kind, got)
			}
			checkWhy(t, f, data)
			checkReference(t, filter, data)
		}
	}
}

func compile(t testing.TB, filter string) *match.Filter {
	t.Helper()
	f, err := match.Compile([]byte(filter))
	if err != nil {
		t.Fatalf("%s: %v", event.Clip(filter, 200), err)
	}
	return f
}

// checkWhy checks that there is a reason if and only if the filter does not match.
func checkWhy(t testing.TB, f *match.Filter, data string) {
	t.Helper()
	e := &match.Event{Data: []byte(data)}
	if matches, why := f.Match(e), f.Why(e); matches != (why == "") {
		t.Errorf("it matches %s is %v, and the reason is %q", event.Clip(data, 200), matches, why)
	}
}

func checkReference(t testing.TB, filter, data string) {
	t.Helper()
	got := compile(t, filter).Match(&match.Event{Data: []byte(data)})
	if want := reference(t, filter, map[string]string{"data": data, "event": `""`, "tenant": `""`, "channels": "[]", "metadata": "{}"}); got != want {
		t.Errorf("%s matches %s is %v, but the reference returns %v", filter, data, got, want)
	}
}

func TestFilter(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) }
	digits := strings.Repeat("1234567890", 40)
	tests := []struct {
		reason, filter, data string
		why                  string // a part of the reason; "" if it matches
	}{
		{"no condition matches everything", `{}`, `{"x":1}`, ""},
		{"a path", `{"data":{"a":{"b":1}}}`, `{"a":{"b":1}}`, ""},
		{"a path to another value", `{"data":{"a":{"b":1}}}`, `{"a":{"b":2}}`, `data.a.b is 2; the filter wants 1 (filter/data/a/b)`},
		{"a path that ends too early", `{"data":{"a":{"b":1}}}`, `{"a":1}`, `data.a.b is absent; the filter wants 1`},
		{"a path below null", `{"data":{"a":{"b":{"$exist":false}}}}`, `{"a":null}`, ""},
		{"a path below an absent value", `{"data":{"a":{"b":{"c":{"$neq":1}}}}}`, `{}`, ""},
		{"two paths", `{"data":{"a":1,"b":2}}`, `{"b":2,"a":1}`, ""},
		{"the second of two paths", `{"data":{"a":1,"b":2}}`, `{"b":3,"a":1}`, `data.b is 3; the filter wants 2 (filter/data/b)`},
		{"a dot in a name is literal", `{"data":{"a.b":1}}`, `{"a.b":1}`, ""},
		{"a dot in a name is not a path", `{"data":{"a.b":1}}`, `{"a":{"b":1}}`, `data["a.b"] is absent`},
		{"names with a slash and a tilde", `{"data":{"a/b~c":1}}`, `{}`, `(filter/data/a~1b~0c)`},
		{"an empty name", `{"data":{"":1}}`, `{"":1}`, ""},
		{"a name outside ASCII", `{"data":{"Größe":{"日本":1}}}`, `{"Größe":{"日本":1}}`, ""},
		{"an escaped name in the event", `{"data":{"ab":1}}`, `{"\u0061b":1}`, ""},
		{"an escaped name in the filter", `{"data":{"\u0061b":1}}`, `{"ab":1}`, ""},
		{"escapes that are not letters", `{"data":{"a\\b":1}}`, `{"a\u005cb":1}`, ""},
		{"an escaped backslash is not an escape", `{"data":{"\\u0061":1}}`, `{"a":1}`, "is absent"},
		{"case matters in names", `{"data":{"A":1}}`, `{"a":1}`, "data.A is absent"},
		{"data is a string", `{"data":"x"}`, `"x"`, ""},
		{"data is a number", `{"data":{"$gt":1}}`, `2`, ""},
		{"data is null", `{"data":null}`, `null`, ""},
		{"data is an array", `{"data":{"id":1}}`, `[{"id":2},{"id":1}]`, ""},
		{"white space around the event's values", `{"data":{"a":[1,"x"]}}`, " {\n\t\"a\" :\r [ 1 , \"x\" ] } ", ""},

		{"the last of two equal names counts", `{"data":{"a":2}}`, `{"a":1,"a":2}`, ""},
		{"the first of two equal names does not", `{"data":{"a":1}}`, `{"a":1,"a":2}`, "data.a is 2"},
		{"equal names, one of them escaped", `{"data":{"a":2}}`, `{"a":1,"\u0061":2}`, ""},
		{"equal names in a whole object", `{"data":{"o":{"$eq":{"a":2}}}}`, `{"o":{"a":1,"a":2}}`, ""},
		{"equal names in a large object", `{"data":{"m7":"last"}}`, largeObject(200, `,"m7":"last"`), ""},
		{"a large object's member", `{"data":{"m199":199,"m0":0,"x":{"$exist":false}}}`, largeObject(200, ""), ""},

		{"the same element for two paths", `{"data":{"i":{"a":1,"b":2}}}`, `{"i":[{"a":1,"b":3},{"a":1,"b":2}]}`, ""},
		{"not two elements for two paths", `{"data":{"i":{"a":1,"b":2}}}`, `{"i":[{"a":1},{"b":2}]}`, `data.i is an array; the filter wants one that meets each condition (filter/data/i)`},
		{"the same element for two comparisons", `{"data":{"p":{"$gte":10,"$lt":20}}}`, `{"p":[5,15]}`, ""},
		{"not two elements for two comparisons", `{"data":{"p":{"$gte":10,"$lt":20}}}`, `{"p":[5,50]}`, `data.p is an array; the filter wants it or one of its elements to be at least 10 and less than 20 (filter/data/p/$gte)`},
		{"$and may take two elements", `{"data":{"p":{"$and":[{"$gte":10},{"$lt":20}]}}}`, `{"p":[5,50]}`, ""},
		{"an empty array has no element for a path", `{"data":{"i":{"a":{"$exist":false}}}}`, `{"i":[]}`, `data.i is an empty array`},
		{"an array within an array", `{"data":{"i":{"a":1}}}`, `{"i":[[{"a":1}]]}`, ""},
		{"not one of the elements", `{"data":{"t":{"$neq":"x"}}}`, `{"t":["y","x"]}`, `data.t is an array; the filter wants anything but "x" (filter/data/t/$neq)`},
		{"one tag and not another", `{"data":{"t":{"$eq":"x","$neq":"y"}}}`, `{"t":["x","z"]}`, ""},
		{"one tag and the other", `{"data":{"t":{"$eq":"x","$neq":"y"}}}`, `{"t":["x","y"]}`, `anything but "y"`},
		{"no item of an id", `{"data":{"i":{"$not":{"id":5}}}}`, `{"i":[{"id":5},{"id":6}]}`, `data.i is an array; $not rejects that (filter/data/i/$not)`},
		{"an item of another id", `{"data":{"i":{"id":{"$neq":5}}}}`, `{"i":[{"id":5},{"id":6}]}`, ""},
		{"a condition within an element", `{"data":{"i":{"id":1,"n":{"$not":{"$gt":5}}}}}`, `{"i":[{"id":1,"n":9},{"id":1,"n":3}]}`, ""},

		{"64 bits are compared exactly", `{"data":{"id":9007199254740993}}`, `{"id":9007199254740993}`, ""},
		{"64 bits that differ in the last one", `{"data":{"id":9007199254740993}}`, `{"id":9007199254740992}`, "is 9007199254740992"},
		{"400 digits", `{"data":{"id":` + digits + `}}`, `{"id":` + digits + `}`, ""},
		{"400 digits, the last one differs", `{"data":{"id":{"$gt":` + digits + `}}}`, `{"id":` + digits[:399] + `1}`, ""},
		{"400 digits less", `{"data":{"id":{"$lt":` + digits + `}}}`, `{"id":` + digits[:399] + `1}`, "less than 1234567890"},
		{"a fraction of 400 digits", `{"data":{"id":0.` + digits + `}}`, `{"id":0.` + digits + `000}`, ""},
		{"a number of 400 digits in a list", `{"data":{"id":{"$in":[1,` + digits + `]}}}`, `{"id":` + digits + `.0}`, ""},
		{"zero has no sign", `{"data":{"n":0}}`, `{"n":-0.00e7}`, ""},
		{"an exponent", `{"data":{"n":1200}}`, `{"n":1.2E+3}`, ""},
		{"a negative exponent", `{"data":{"n":0.0012}}`, `{"n":12e-4}`, ""},
		{"more than any float", `{"data":{"n":{"$gt":1e400}}}`, `{"n":1e401}`, ""},
		{"an exponent that overflows an integer", `{"data":{"n":{"$gt":1e9999}}}`, `{"n":1e99999999999999999999999999}`, ""},
		{"such an exponent of a negative number", `{"data":{"n":{"$lt":-1e9999}}}`, `{"n":-1e99999999999999999999999999}`, ""},
		{"a tiny number is more than zero", `{"data":{"n":{"$gt":0,"$lt":1e-9999}}}`, `{"n":1e-99999999999999999999999999}`, ""},
		{"an exponent with zeros before it", `{"data":{"n":100}}`, `{"n":1e0000000000000000000000002}`, ""},
		{"negative numbers are ordered", `{"data":{"n":{"$gt":-10,"$lt":-9}}}`, `{"n":-9.5}`, ""},
		{"a price", `{"data":{"n":{"$lte":19.99}}}`, `{"n":19.990}`, ""},
		{"a price that is too high", `{"data":{"n":{"$lte":19.99}}}`, `{"n":19.9900001}`, "at most 19.99"},

		{"strings compare by code points, not by UTF-16", `{"data":{"s":{"$gt":"\uffff"}}}`, `{"s":"😀"}`, ""},
		{"a string that is longer comes later", `{"data":{"s":{"$gt":"a"}}}`, `{"s":"aa"}`, ""},
		{"a date", `{"data":{"s":{"$gte":"2026-01-01","$lt":"2027"}}}`, `{"s":"2026-11-28T08:00:00Z"}`, ""},
		{"an escaped string", `{"data":{"s":"a/b\n\"😀"}}`, `{"s":"\u0061\/b\n\"\ud83d\ude00"}`, ""},
		{"NUL in a string", `{"data":{"s":"a\u0000b"}}`, `{"s":"a\u0000b"}`, ""},
		{"NUL is not the end", `{"data":{"s":"a"}}`, `{"s":"a\u0000b"}`, `data.s is "a\u0000b"; the filter wants "a"`},
		{"NUL is found", `{"data":{"s":{"$contains":"\u0000"}}}`, `{"s":"a\u0000b"}`, ""},
		{"strings are not normalized", `{"data":{"s":"é"}}`, "{\"s\":\"e\u0301\"}", "the filter wants"},
		{"half a surrogate counts as U+FFFD", `{"data":{"s":"\ufffd"}}`, `{"s":"\ud800"}`, ""},
		{"half a surrogate in a name", `{"data":{"\ufffd":1}}`, `{"\udc00":1}`, ""},
		{"a prefix that ends within a character", `{"data":{"s":{"$startsWith":"é"}}}`, `{"s":"è"}`, `a string that begins with "é"`},

		{"$or at the top", `{"$or":[{"event":"a.b"},{"data":{"x":1}}]}`, `{"x":1}`, ""},
		{"none of $or", `{"$or":[{"event":"a.b"},{"data":{"x":1}}]}`, `{"x":2}`, `none of the 2 conditions of $or holds (filter/$or); the first one: event is ""; the filter wants "a.b" (filter/$or/0/event)`},
		{"a single condition in $or", `{"$or":[{"data":{"x":1}}]}`, `{"x":2}`, `data.x is 2; the filter wants 1 (filter/$or/0/data/x)`},
		{"$and at the top", `{"$and":[{"data":{"x":1}},{"data":{"y":2}}]}`, `{"x":1,"y":3}`, `data.y is 3; the filter wants 2 (filter/$and/1/data/y)`},
		{"$not at the top", `{"$not":{"data":{"x":1}}}`, `{"x":1}`, `the event meets the condition that $not rejects (filter/$not)`},
		{"several operators at the top", `{"$or":[{"data":{"x":1}}],"$not":{"data":{"y":1}}}`, `{"x":1}`, ""},
		{"several operators below a path", `{"data":{"x":{"$or":[1,2],"$gt":1,"$exist":true}}}`, `{"x":2}`, ""},
		{"the second of several operators fails", `{"data":{"x":{"$or":[1,2],"$gt":1,"$exist":true}}}`, `{"x":1}`, `data.x is 1; the filter wants more than 1 (filter/data/x/$gt)`},
		{"paths within $or", `{"data":{"x":{"$or":[{"a":1},{"b":1}]}}}`, `{"x":{"b":1}}`, ""},

		{"a whole object, in another order", `{"data":{"x":{"$eq":{"a":1,"b":[{"c":null}]}}}}`, `{"x":{"b":[{"c":null}],"a":1.0}}`, ""},
		{"a whole object with one member more", `{"data":{"x":{"$eq":{"a":1}}}}`, `{"x":{"a":1,"b":1}}`, `data.x is an object; the filter wants {"a":1} (filter/data/x/$eq)`},
		{"a whole object with one member less", `{"data":{"x":{"$eq":{"a":1,"b":1}}}}`, `{"x":{"a":1}}`, "is an object"},
		{"inside a fixed value an array is only itself", `{"data":{"x":{"$eq":{"a":1}}}}`, `{"x":{"a":[1]}}`, "is an object"},
		{"a name that begins with $ in a fixed value", `{"data":{"x":{"$eq":{"$ref":"#/a"}}}}`, `{"x":{"$ref":"#/a"}}`, ""},

		{"an expression that is exponential in other engines", `{"data":{"s":{"$regex":"^(a+)+$"}}}`, `{"s":"` + strings.Repeat("a", 5000) + `b"}`, `a string that matches "^(a+)+$"`},
		{"a long value is shortened in the reason", `{"data":{"s":"x"}}`, `{"s":"` + strings.Repeat("é", 500) + `"}`, `ééé…; the filter wants "x"`},
		{"the event is 100 deep", `{"data":` + deep(20) + `}`, deep(100), `is an object; the filter wants 1`},
		{"the event is 9,000 deep in arrays", `{"data":1}`, strings.Repeat("[", 9000) + "1" + strings.Repeat("]", 9000), ""},
		{"two comparisons with each of half a million elements", `{"data":{"x":{"$gt":1,"$lt":3}}}`, `{"x":[` + strings.Repeat("9,", 1<<19-8) + `2]}`, ""},
		{"an event that is not JSON has no data", `{"data":{"$exist":true}}`, `{"x":`, "data is absent"},
		{"an event without data", `{"data":{"$exist":false}}`, ``, ""},
		{"an event that is not UTF-8 has no data", `{"data":{"$exist":true}}`, "\"\xff\"", "data is absent"},
		{"two values are not data", `{"data":{"$exist":true}}`, `1 2`, "data is absent"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			f, e := compile(t, tt.filter), &match.Event{Data: []byte(tt.data)}
			why := f.Why(e)
			switch {
			case (tt.why == "") != f.Match(e):
				t.Errorf("it matches is %v: %s", f.Match(e), why)
			case !strings.Contains(why, tt.why) || (tt.why == "") != (why == ""):
				t.Errorf("the reason is %q, want %q", why, tt.why)
			case len(why) > 1000:
				t.Errorf("the reason has %d bytes", len(why))
			}
		})
	}
}

// largeObject returns an object with n members, the first named "m0", and with more at its end.
func largeObject(n int, more string) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"m%d":%d`, i, i)
	}
	return "{" + strings.Join(members, ",") + more + "}"
}

// TestPartsOfTheEvent tests filters on the parts of an event other than data.
func TestPartsOfTheEvent(t *testing.T) {
	e := func() *match.Event {
		return &match.Event{
			Type: "invoice.paid", Tenant: "acme", Channels: []string{"eu", "vip"}, Metadata: map[string]string{"order": "8814", "a.b": "\"x\"\n"}, Data: []byte("1"),
		}
	}
	for filter, want := range map[string]bool{
		`{"event":"invoice.paid"}`:                                   true,
		`{"event":{"$startsWith":"invoice."}}`:                       true,
		`{"event":"invoice"}`:                                        false,
		`{"tenant":"acme"}`:                                          true,
		`{"tenant":{"$in":["b","c"]}}`:                               false,
		`{"channels":"eu"}`:                                          true,
		`{"channels":["eu","vip"]}`:                                  true,
		`{"channels":{"$contains":"us"}}`:                            false,
		`{"channels":{"$not":"us"}}`:                                 true,
		`{"metadata":{"order":"8814"}}`:                              true,
		`{"metadata":{"order":{"$gt":"9"}}}`:                         false,
		`{"metadata":{"a.b":"\"x\"\n"}}`:                             true,
		`{"metadata":{"none":{"$exist":true}}}`:                      false,
		`{"metadata":{"$eq":{"order":"8814","a.b":"\"x\"\n"}}}`:      true,
		`{"event":"invoice.paid","tenant":"acme","data":1}`:          true,
		`{"event":"invoice.paid","tenant":"acme","data":2}`:          false,
		`{"$not":{"tenant":"acme","event":{"$endsWith":".voided"}}}`: true,
	} {
		if got := compile(t, filter).Match(e()); got != want {
			t.Errorf("%s matches is %v", filter, got)
		}
	}
	empty := &match.Event{}
	for _, filter := range []string{`{"channels":[]}`, `{"metadata":{"$eq":{}}}`, `{"tenant":""}`, `{"event":""}`, `{"data":{"$exist":false}}`} {
		if !compile(t, filter).Match(empty) {
			t.Errorf("%s does not match an empty event", filter)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	list := func(n int) string { return strings.TrimSuffix(strings.Repeat("1,", n), ",") }
	tests := []struct{ reason, filter, field, message string }{
		{"nothing", ``, "filter", "not valid JSON"},
		{"truncated JSON", `{"data":`, "filter/data", "not valid JSON"},
		{"JavaScript", `{data:1}`, "filter", "not valid JSON: there is an error at byte 1"},
		{"a number that is not valid JSON", `{"data":{"a":[1,01]}}`, "filter/data/a", "not valid JSON"},
		{"two filters", `{} {}`, "filter", "more text after the first"},
		{"not UTF-8", "{\"data\":\"\xff\"}", "filter", "UTF-8"},
		{"half a surrogate", `{"data":{"a":"\ud800"}}`, "filter/data/a", "not valid JSON"},
		{"null", `null`, "filter", "must be an object"},
		{"a string", `"data"`, "filter", "must be an object"},
		{"a list", `[{"data":1}]`, "filter", "must be an object"},
		{"a name twice", `{"data":{"a":{"b":1,"b":2}}}`, "filter/data/a/b", "is given twice"},
		{"an escaped name twice", `{"data":{"b":1,"\u0062":2}}`, "filter/data/b", "is given twice"},
		{"an operator twice", `{"data":{"a":{"$gt":1,"$gt":2}}}`, "filter/data/a/$gt", "is given twice"},
		{"an unknown root", `{"amount":5}`, "filter/amount", `"event", "data", "metadata", "channels" or "tenant"`},
		{"an unknown root within $or", `{"$or":[{"data":1},{"body":1}]}`, "filter/$or/1/body", "is not a part of an event"},
		{"an unknown operator", `{"data":{"a":{"$greater":1}}}`, "filter/data/a/$greater", "is not an operator; the operators are $eq"},
		{"MongoDB's name for $neq", `{"data":{"a":{"$ne":1}}}`, "filter/data/a/$ne", "write $neq"},
		{"MongoDB's name for $exist", `{"data":{"a":{"$exists":true}}}`, "filter/data/a/$exists", "write $exist"},
		{"Hookdeck's reference", `{"data":{"a":{"$ref":"b"}}}`, "filter/data/a/$ref", "fixed values only"},
		{"an operator's name in capitals", `{"data":{"a":{"$GT":1}}}`, "filter/data/a/$GT", "is not an operator"},
		{"only a dollar", `{"data":{"$":1}}`, "filter/data/$", "is not an operator"},
		{"a path beside an operator", `{"data":{"a":{"$gt":1,"b":2}}}`, "filter/data/a/b", `"$and"`},
		{"a path beside $or at the top", `{"$or":[{"data":1}],"data":{"b":2}}`, "filter/data", "is in one object with an operator"},
		{"a comparison at the top", `{"$gt":1}`, "filter/$gt", "is at the top level"},
		{"an unknown operator at the top", `{"$where":"x"}`, "filter/$where", "is at the top level"},
		{"an empty object at a path", `{"data":{"a":{}}}`, "filter/data/a", `{"$exist": true}`},
		{"an empty object in $not", `{"$not":{}}`, "filter/$not", "is empty"},
		{"an empty $or", `{"$or":[]}`, "filter/$or", "empty array"},
		{"an empty $and", `{"data":{"$and":[]}}`, "filter/data/$and", "empty array"},
		{"an empty $in", `{"data":{"a":{"$in":[]}}}`, "filter/data/a/$in", "empty array"},
		{"an empty $startsWith", `{"data":{"a":{"$startsWith":[]}}}`, "filter/data/a/$startsWith", "empty array"},
		{"$or with an object", `{"$or":{"data":1}}`, "filter/$or", "must be an array"},
		{"$or with a plain value at the top", `{"$or":[1]}`, "filter/$or/0", "must be an object"},
		{"$not with a plain value at the top", `{"$not":1}`, "filter/$not", "must be an object"},
		{"$in with a string", `{"data":{"a":{"$in":"x"}}}`, "filter/data/a/$in", "write $contains"},
		{"$nin with a number", `{"data":{"a":{"$nin":1}}}`, "filter/data/a/$nin", "must be an array"},
		{"$exist with a number", `{"data":{"a":{"$exist":1}}}`, "filter/data/a/$exist", "true or false"},
		{"$exist with a string", `{"data":{"a":{"$exist":"true"}}}`, "filter/data/a/$exist", "true or false"},
		{"$gt with null", `{"data":{"a":{"$gt":null}}}`, "filter/data/a/$gt", "a number or a string"},
		{"$gte with true", `{"data":{"a":{"$gte":true}}}`, "filter/data/a/$gte", "a number or a string"},
		{"$lt with a list", `{"data":{"a":{"$lt":[1]}}}`, "filter/data/a/$lt", "a number or a string"},
		{"$lte with an object", `{"data":{"a":{"$lte":{"b":1}}}}`, "filter/data/a/$lte", "a number or a string"},
		{"$startsWith with a number", `{"data":{"a":{"$startsWith":1}}}`, "filter/data/a/$startsWith", "must be a string"},
		{"$endsWith with a number in its list", `{"data":{"a":{"$endsWith":["a",1]}}}`, "filter/data/a/$endsWith/1", "must be a string"},
		{"$regex with a number", `{"data":{"a":{"$regex":1}}}`, "filter/data/a/$regex", "must be a string"},
		{"$regex that is not valid", `{"data":{"a":{"$regex":"(a"}}}`, "filter/data/a/$regex", "missing closing )"},
		{"$regex that RE2 does not have", `{"data":{"a":{"$regex":"(?=a)b"}}}`, "filter/data/a/$regex", "RE2"},
		{"a back reference", `{"data":{"a":{"$regex":"(a)\\1"}}}`, "filter/data/a/$regex", "RE2"},
		{"an operator in a list", `{"data":{"a":[{"$gt":1}]}}`, "filter/data/a/0/$gt", "inside a fixed value"},
		{"an operator in $eq", `{"data":{"a":{"$eq":{"b":{"$in":[1]}}}}}`, "filter/data/a/$eq/b/$in", "inside a fixed value"},
		{"an operator in $in", `{"data":{"a":{"$in":[1,{"$regex":"x"}]}}}`, "filter/data/a/$in/1/$regex", "inside a fixed value"},
		{"a number for a string of metadata", `{"metadata":{"order":8814}}`, "filter/metadata/order", "in quotes"},
		{"a number in a list for metadata", `{"metadata":{"order":{"$in":["1",2]}}}`, "filter/metadata/order/$in/1", "in quotes"},
		{"null for a string of metadata", `{"metadata":{"order":{"$neq":null}}}`, "filter/metadata/order/$neq", "in quotes"},
		{"a number for the type", `{"event":{"$gt":5}}`, "filter/event/$gt", "in quotes"},
		{"a number for $contains", `{"channels":{"$contains":5}}`, "filter/channels/$contains", "in quotes"},
		{"a path below the type", `{"event":{"type":"a"}}`, "filter/event/type", "a string, which has no members"},
		{"a path below the tenant within $not", `{"tenant":{"$not":{"id":"a"}}}`, "filter/tenant/$not/id", "has no members"},
		{"a path below metadata's strings", `{"metadata":{"a":{"b":"c"}}}`, "filter/metadata/a/b", "has no members"},
		{"a path below channels", `{"channels":{"eu":true}}`, "filter/channels/eu", "has no members"},
		{"names in the pointer are escaped", `{"data":{"a/b":{"~":{}}}}`, "filter/data/a~1b/~0", "is empty"},

		{"an exponent", `{"data":{"a":1e10001}}`, "filter/data/a", "beyond 10000"},
		{"an exponent below", `{"data":{"a":{"$lt":1e-10002}}}`, "filter/data/a/$lt", "beyond 10000"},
		{"an exponent that overflows an integer", `{"data":{"a":{"$in":[1,1e99999999999999999999]}}}`, "filter/data/a/$in/1", "beyond 10000"},
		{"too many bytes", `{"data":"` + strings.Repeat("x", match.MaxFilterBytes) + `"}`, "filter", "at most 16384 are allowed"},
		{"10,000 alternatives of one digit", `{"data":{"a":{"$in":[` + list(10_000) + `]}}}`, "filter", "bytes long"},
		{"one alternative too many", `{"data":{"a":{"$in":[` + list(match.MaxAlternatives+1) + `]}}}`, "filter/data/a/$in", "1001 entries; at most 1000"},
		{"one too many in $nin", `{"data":{"a":{"$nin":[` + list(match.MaxAlternatives+1) + `]}}}`, "filter/data/a/$nin", "at most 1000"},
		{"one too many in $or", `{"data":{"a":{"$or":[` + list(match.MaxAlternatives+1) + `]}}}`, "filter/data/a/$or", "at most 1000"},
		{"too many conditions in $or", `{"data":{"a":{"$or":[` + list(match.MaxConditions) + `]}}}`, "filter/data/a/$or/499", "at most 500"},
		{"too many paths", `{"data":` + largeObject(match.MaxConditions+1, "") + `}`, "filter/data/m500", "at most 500"},
		{"100 deep", `{"data":` + strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100) + `}`, "filter/data" + strings.Repeat("/a", 32), "at most 32 levels"},
		{"100 deep in $not", strings.Repeat(`{"$not":`, 100) + `{"data":1}` + strings.Repeat(`}`, 100), "filter" + strings.Repeat("/$not", 33), "at most 32 levels"},
		{"100 deep in lists", `{"data":` + strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100) + `}`, "filter/data" + strings.Repeat("/0", 31), "at most 32 levels"},
		{"100 deep in $eq", `{"data":{"$eq":` + strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100) + `}}`, "filter/data/$eq" + strings.Repeat("/a", 30), "at most 32 levels"},
		{"an array at the last level", `{"data":` + strings.Repeat(`{"a":`, 30) + `{"$in":[1]}` + strings.Repeat(`}`, 30) + `}`, "filter/data" + strings.Repeat("/a", 30) + "/$in", "at most 32 levels"},
		{"$not in a fixed value", `{"data":{"a":{"$eq":[{"$not":1}]}}}`, "filter/data/a/$eq/0/$not", "inside a fixed value"},
		{"too many operators", `{"data":{"$or":[` + strings.Repeat(`{"$gt":1,"$lt":2},`, match.MaxConditions/2) + `1]}}`, "filter/data/$or/249/$lt", "at most 500"},
		{"8,000 deep", `{"data":` + strings.Repeat(`[`, 8000) + strings.Repeat(`]`, 8000) + `}`, "filter/data" + strings.Repeat("/0", 31), "at most 32 levels"},
		{"a repetition of a repetition", `{"data":{"a":{"$regex":"((a{30}){30})"}}}`, "filter/data/a/$regex", "at most 500"},
		{"a repetition that only has a minimum", `{"data":{"a":{"$regex":"x{900,}"}}}`, "filter/data/a/$regex", "at most 500"},
		{"a repetition beyond RE2's own limit", `{"data":{"a":{"$regex":"x{1001}"}}}`, "filter/data/a/$regex", "invalid repeat count"},
		{"a long literal", `{"data":{"a":{"$regex":"` + strings.Repeat("x", 501) + `"}}}`, "filter/data/a/$regex", "501 instructions together; at most 500"},
		{"large classes", `{"data":{"a":{"$regex":"` + strings.Repeat(`[\\pL]`, 20) + `"}}}`, "filter/data/a/$regex", "at most 500"},
		{"several expressions together", `{"data":{"a":{"$regex":"x{240}"},"b":{"$regex":"y{240}"},"c":{"$regex":"z{240}"}}}`, "filter/data/b/$regex", "at most 500"},
		{"a very long name", `{"data":{"` + strings.Repeat("é", 5000) + `":{}}}`, "filter/data/" + strings.Repeat("é", 125) + "…", "is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			f, err := match.Compile([]byte(tt.filter))
			var invalid *event.InvalidError
			if !errors.As(err, &invalid) || f != nil {
				t.Fatalf("the error is %v", err)
			}
			got := invalid.Fields[0]
			if got.Field != tt.field || !strings.Contains(got.Message, tt.message) || len(got.Message) > 500 {
				t.Errorf("got %q %q, want %q and a message with %q", got.Field, got.Message, tt.field, tt.message)
			}
		})
	}
}

// TestCompileTakesWhatIsAtTheLimits checks that filters exactly at each limit compile.
func TestCompileTakesWhatIsAtTheLimits(t *testing.T) {
	for reason, filter := range map[string]string{
		"bytes":        `{"data":"` + strings.Repeat("x", match.MaxFilterBytes-len(`{"data":""}`)) + `"}`,
		"depth":        `{"data":` + strings.Repeat(`{"a":`, 31) + `1` + strings.Repeat(`}`, 31) + `}`,
		"alternatives": `{"data":{"$in":[` + strings.TrimSuffix(strings.Repeat("1,", match.MaxAlternatives), ",") + `]}}`,
		"conditions":   `{"data":` + largeObject(match.MaxConditions, "") + `}`,
		"exponent":     `{"data":{"$in":[1e9999,-1e-9999]}}`,
		"program":      `{"data":{"$regex":"` + strings.Repeat("x", match.MaxRegexpWeight) + `"}}`,
	} {
		if _, err := match.Compile([]byte(filter)); err != nil {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

// A filter that can't be compiled matches nothing and says why. The size of a compiled one counts.
func TestBroken(t *testing.T) {
	_, err := match.Compile([]byte(`{"data":{"$later":1}}`))
	broken := match.Broken(err)
	e := &match.Event{Type: "a", Data: []byte(`1`)}
	if broken.Match(e) || !strings.Contains(broken.Why(e), "$later") {
		t.Errorf("it matches, or the reason is %q", broken.Why(e))
	}
	var none *match.Filter
	if small, large := compile(t, `{}`), compile(t, `{"data":{"a":{"$in":[1,2,3,4,5,6,7,8,9]}}}`); none.Size() != 0 || small.Size() <= 0 || large.Size() <= small.Size() {
		t.Errorf("the sizes are %d, %d and %d", none.Size(), small.Size(), large.Size())
	}
}
