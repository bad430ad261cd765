package match_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest/match"
)

// largeExponent matches exponents for which the reference would take too long.
var largeExponent = regexp.MustCompile(`[eE][+-]?0*[0-9]{4}`)

// FuzzFilter compares filters with the reference. If a filter does not compile, the error must name
// a place. If it does, it must give the same result as the reference, and a reason if and only if it
// does not match.
func FuzzFilter(f *testing.F) {
	for _, seed := range []struct{ filter, data string }{
		{`{}`, ``},
		{`{"data":{"a":{"$gt":1,"$lt":3},"b":[1,"x",null]}}`, `{"a":[1,2],"b":[1.0,"x",null]}`},
		{`{"$or":[{"event":"a.b"},{"$not":{"data":{"s":{"$regex":"^(a|b)*$"}}}}]}`, `{"s":"abab"}`},
		{`{"$and":[{"metadata":{"k":{"$neq":"v"}}},{"channels":{"$contains":"eu"}},{"tenant":{"$in":["t"]}}]}`, `null`},
		{`{"data":{"a":{"b":{"$exist":false},"$eq":1}}}`, `{"a":{"b":1,"b":2}}`},
		{`{"data":{"a":{"$nin":[1e3,-0,0.10,{"x":[]}]}}}`, `{"a":[1000,{"x":[]}]}`},
		{`{"data":{"\u0061":{"$startsWith":["\ud83d\ude00","x"],"$endsWith":"\u0000"}}}`, `{"a":"😀\u0000","\u0061":"\ud800"}`},
		{`{"data":{"a":{"a":{"$or":[1,{"a":2}]}}}}`, `{"a":[[{"a":1}],{"a":[{"a":2}]}]}`},
	} {
		f.Add(seed.filter, seed.data)
	}
	f.Fuzz(checkFilter)
}

func checkFilter(t *testing.T, filter, data string) {
	compiled, err := match.Compile([]byte(filter))
	if err != nil {
		checkError(t, err)
		return
	}
	e := &match.Event{Type: "a.b", Tenant: "t", Channels: []string{"eu", "us"}, Metadata: map[string]string{"k": "v"}, Data: []byte(data)}
	got, why := compiled.Match(e), compiled.Why(e)
	if got != (why == "") {
		t.Errorf("%s matches %s is %v, and the reason is %q", filter, data, got, why)
	}
	if !utf8.ValidString(why) || string(e.Data) != data {
		t.Errorf("the reason is not UTF-8, or the data was changed: %q", why)
	}
	if largeExponent.MatchString(filter) || largeExponent.MatchString(data) {
		return
	}
	top := map[string]string{"event": `"a.b"`, "tenant": `"t"`, "channels": `["eu","us"]`, "metadata": `{"k":"v"}`}
	if json.Valid([]byte(data)) && utf8.ValidString(data) {
		top["data"] = data
	}
	if want := reference(t, filter, top); got != want {
		t.Errorf("%s matches %s is %v, but the reference returns %v: %s", filter, data, got, want, why)
	}
}

func checkError(t *testing.T, err error) {
	var invalid *event.InvalidError
	switch {
	case !errors.As(err, &invalid) || len(invalid.Fields) != 1:
		t.Errorf("the error is of another kind: %v", err)
	case !strings.HasPrefix(invalid.Fields[0].Field, "filter") || invalid.Fields[0].Message == "":
		t.Errorf("the error has no place or no message: %v", err)
	case !utf8.ValidString(err.Error()) || len(err.Error()) > 1000:
		t.Errorf("the error is not UTF-8, or too long: %q", err)
	}
}

// TestFilterIsTheReference compares filters with the reference. Filters and data consist of the same
// few names and values, so that they often match.
func TestFilterIsTheReference(t *testing.T) {
	matched, not := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		filter, data := `{"data":`+anyCondition(r, 3)+`}`, anyValue(r, 3)
		compiled, err := match.Compile([]byte(filter))
		if err != nil {
			r.Fatalf("%s: %v", filter, err)
		}
		e := &match.Event{Data: []byte(data)}
		got := compiled.Match(e)
		if want := reference(t, filter, map[string]string{"data": data}); got != want {
			r.Fatalf("%s matches %s is %v, but the reference returns %v: %s", filter, data, got, want, compiled.Why(e))
		}
		if why := compiled.Why(e); got != (why == "") {
			r.Fatalf("%s matches %s is %v, and the reason is %q", filter, data, got, why)
		}
		if got {
			matched++
		} else {
			not++
		}
	})
	if matched+not >= 100 && (matched == 0 || not == 0) { // a quick run is too short to tell
		t.Errorf("%d matched and %d did not, so this test shows little", matched, not)
	}
}

var (
	scalars   = []string{`null`, `true`, `false`, `0`, `1`, `1.0`, `2`, `10e-1`, `-1`, `""`, `"a"`, `"ab"`, `"\u0061"`, `"b"`, `"1"`}
	texts     = []string{`""`, `"a"`, `"b"`, `"ab"`, `"é"`}
	orderable = []string{`0`, `1`, `1.5`, `-1`, `"a"`, `""`}
	patterns  = []string{`"a"`, `"^a$"`, `"^(a|b)+$"`, `"(?i)A"`, `""`, `"[^a]"`}
	names     = []string{"a", "b", "c"}
)

func pick(r *rapid.T, from []string) string { return rapid.SampledFrom(from).Draw(r, "value") }

func anyValue(r *rapid.T, depth int) string {
	switch n := rapid.IntRange(0, 3).Draw(r, "kind"); {
	case depth == 0 || n == 0:
		return pick(r, scalars)
	case n == 1:
		return listOf(r, 0, func() string { return anyValue(r, depth-1) })
	default:
		return "{" + strings.Trim(listOf(r, 0, func() string { return fmt.Sprintf("%q:%s", pick(r, names), anyValue(r, depth-1)) }), "[]") + "}"
	}
}

// listOf returns up to three items in brackets.
func listOf(r *rapid.T, least int, item func() string) string {
	items := make([]string, rapid.IntRange(least, 3).Draw(r, "items"))
	for i := range items {
		items[i] = item()
	}
	return "[" + strings.Join(items, ",") + "]"
}

func anyCondition(r *rapid.T, depth int) string {
	n := rapid.IntRange(0, 5).Draw(r, "condition")
	switch {
	case depth == 0 || n == 0:
		return pick(r, scalars)
	case n <= 2:
		return distinct(r, names, func(string) string { return anyCondition(r, depth-1) })
	case n == 3:
		return listOf(r, 0, func() string { return anyFixed(r, 1) })
	}
	return distinct(r, operatorNames, func(operator string) string { return anyOperand(r, operator, depth) })
}

// anyFixed returns a value without duplicate names.
func anyFixed(r *rapid.T, depth int) string {
	switch n := rapid.IntRange(0, 3).Draw(r, "fixed"); {
	case depth == 0 || n == 0:
		return pick(r, scalars)
	case n == 1:
		return listOf(r, 0, func() string { return anyFixed(r, depth-1) })
	default:
		return distinct(r, names, func(string) string { return anyFixed(r, depth-1) })
	}
}

// distinct returns an object with one to three of the names.
func distinct(r *rapid.T, names []string, member func(name string) string) string {
	chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 3, rapid.ID[string]).Draw(r, "names")
	parts := make([]string, len(chosen))
	for i, name := range chosen {
		parts[i] = fmt.Sprintf("%q:%s", name, member(name))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

var operatorNames = []string{
	"$eq", "$neq", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exist", "$startsWith", "$endsWith", "$contains", "$regex", "$and", "$or", "$not",
}

func anyOperand(r *rapid.T, operator string, depth int) string {
	switch operator {
	case "$gt", "$gte", "$lt", "$lte":
		return pick(r, orderable)
	case "$in", "$nin":
		return listOf(r, 1, func() string { return anyFixed(r, 1) })
	case "$exist":
		return pick(r, []string{"true", "false"})
	case "$startsWith", "$endsWith":
		if rapid.Bool().Draw(r, "several") {
			return listOf(r, 1, func() string { return pick(r, texts) })
		}
		return pick(r, texts)
	case "$regex":
		return pick(r, patterns)
	case "$and", "$or":
		return listOf(r, 1, func() string { return anyCondition(r, depth-1) })
	case "$not":
		return anyCondition(r, depth-1)
	}
	return anyFixed(r, 2)
}
