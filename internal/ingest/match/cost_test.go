package match_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/ingest/match"
)

// slow returns filters that take long on purpose, each close to a limit, and data of this size
// for them.
func slow(size int) map[string][2]string {
	fill := func(size int, open, item, end string) string {
		return open + strings.Repeat(item, (size-len(open)-len(end))/len(item)) + end
	}
	or := func(n int, entry string) string {
		return `{"$or":[` + strings.TrimSuffix(strings.Repeat(entry+",", n), ",") + `]}`
	}
	paths := make([]string, 480)
	for i := range paths {
		paths[i] = fmt.Sprintf(`"x%d":{"$exist":false}`, i)
	}
	return map[string][2]string{
		"a regular expression of the largest size": {`{"data":{"$regex":"(a?){80}a{80}$"}}`, fill(size, `"`, "a", `b"`)},
		"many classes": {`{"data":{"$regex":"(\\pL|\\pN|_)*[^a]{40}\\d$"}}`, fill(size, `"`, "é", `"`)},
		"a regular expression for many short strings": {`{"data":{"$regex":"(a?){80}a{80}$"}}`, fill(size, `[`, `"aaaaaaaaaaaaaaaaaaaaaaaa",`, `"b"]`)},
		"many alternatives for many elements":         {`{"data":` + or(490, "2") + `}`, fill(size, `[`, `1,`, `1]`)},
		"many strings for many elements":              {`{"data":` + or(490, `"2"`) + `}`, fill(size, `[`, `"\u0031",`, `1]`)},
		"many paths into many objects":                {`{"data":{` + strings.Join(paths, ",") + `,"y":1}}`, fill(size, `[`, `{"a":1,"b":2},`, `1]`)},
		"many paths into an object with many names":   {`{"data":{` + strings.Join(paths, ",") + `,"y":1}}`, fill(size, `{`, `"a":1,`, `"b":1}`)},
		"paths into objects with 63 names":            {`{"data":{` + strings.Join(paths, ",") + `,"y":1}}`, fill(size, `[`, largeObject(63, "")+",", `1]`)},
		"paths into objects with 64 names":            {`{"data":{` + strings.Join(paths, ",") + `,"y":1}}`, fill(size, `[`, largeObject(64, "")+",", `1]`)},
		"an escaped string for many comparisons":      {`{"data":` + or(245, `{"$startsWith":"x"}`) + `}`, fill(size, `"`, `\u0061`, `"`)},
		"a string of $contains that is nearly there":  {`{"data":` + or(245, `{"$contains":"`+strings.Repeat("a", 20)+`b"}`) + `}`, fill(size, `"`, `a`, `"`)},
		"a number of a million digits":                {`{"data":` + or(490, "2") + `}`, fill(size, ``, `7`, ``)},
		"objects in $in":                              {`{"data":{"$in":[` + fill(8_000, "", `{"a":1},`, `{"a":3}`) + `]}}`, fill(size, `[`, `{"a":2},`, `1]`)},
		"deep arrays":                                 {`{"data":{"$gt":1,"$lt":2}}`, strings.Repeat("[", 9000) + fill(size-20_000, ``, `7,`, `7`) + strings.Repeat("]", 9000)},
		"32 levels":                                   {`{"data":` + strings.Repeat(`{"a":`, 30) + `2` + strings.Repeat(`}`, 30) + `}`, strings.Repeat(`{"a":[`, 30) + fill(size-20_000, ``, `1,`, `1`) + strings.Repeat(`]}`, 30)},
	}
}

// TestSlowFiltersAreBounded checks that none of the slow filters matches, and that those which
// need more than MaxSteps say so. BenchmarkSlow measures how long they take.
func TestSlowFiltersAreBounded(t *testing.T) {
	over := 0
	for reason, tt := range slow(64 << 10) {
		f, e := compile(t, tt[0]), &match.Event{Data: []byte(tt[1])}
		why := f.Why(e)
		if why == "" || len(why) > 1000 {
			t.Errorf("%s: it matches, or the reason is long: %q", reason, why)
		}
		if strings.Contains(why, "steps") {
			if over++; over > 2 {
				continue // the race detector makes each take seconds
			}
		}
		negated := compile(t, `{"$not":`+tt[0]+`}`)
		if negated.Match(e) == strings.Contains(why, "steps") {
			t.Errorf("%s: a filter that takes too many steps must not match, and neither must its negation", reason)
		}
	}
	if over < 3 {
		t.Errorf("%d of them exceed the steps, so the limit is not tested", over)
	}
}

// TestPlainPathAllocatesNothing counts for subscriptions without a filter.
func TestPlainPathAllocatesNothing(t *testing.T) {
	one := &match.Subscription{Active: true, EventTypes: []string{"user.*", "order.paid"}, Channels: []string{"eu"}}
	tenant := match.NewTenant(1, tenThousand(t, 10_000))
	e := &match.Event{Type: "order.paid", Channels: []string{"eu"}, Data: []byte(`{"x":1}`)}
	list := make([]*match.Subscription, 0, 16)
	found := 0
	for what, f := range map[string]func(){
		"a subscription": func() {
			if ok, why := one.Match(e); !ok || why.Rule != "" {
				t.Error("it does not match")
			}
		},
		"a tenant": func() {
			list, _ = tenant.Match(list[:0], e)
			found = len(list)
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
	if found != 3 {
		t.Errorf("%d were found, want 3", found)
	}
}

// TestFilterAllocatesOnceForAnEvent checks that the first filter keeps the tokens of the data for
// the others.
func TestFilterAllocatesOnceForAnEvent(t *testing.T) {
	f := compile(t, `{"data":{"customer":{"country":{"$in":["DE","FR"]}},"amount":{"$gte":100},"id":9007199254740993}}`)
	e := &match.Event{Data: []byte(`{"id":9007199254740993,"amount":250.50,"customer":{"country":"FR"},"tags":["a","b"]}`)}
	if !f.Match(e) {
		t.Fatal(f.Why(e))
	}
	if n := testing.AllocsPerRun(100, func() { f.Match(e) }); n != 0 {
		t.Errorf("a filter for an event that was read allocates %v times", n)
	}
	data := e.Data
	if n := testing.AllocsPerRun(100, func() { f.Match(&match.Event{Data: data}) }); n > 12 { // 7 without the race detector
		t.Errorf("the first filter for an event allocates %v times", n)
	}
}

// tenThousand returns n subscriptions. Three of them want order.paid: one by its name, one by a
// pattern, and one that wants all types.
func tenThousand(t testing.TB, n int) []*match.Subscription {
	t.Helper()
	subs := make([]*match.Subscription, 0, n)
	for i := range n - 3 {
		subs = append(subs, sub(i, fmt.Sprintf("other.t%d", i%500), fmt.Sprintf("below%d.*", i%100)))
	}
	return append(subs, sub(n-3, "order.paid"), sub(n-2, "order.*", "order.paid"), sub(n-1))
}

func BenchmarkTenant(b *testing.B) {
	for _, n := range []int{3, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tenant := match.NewTenant(1, tenThousand(b, n))
			e := &match.Event{Type: "order.paid", Data: []byte(`{"x":1}`)}
			var list []*match.Subscription
			b.ReportAllocs()
			for b.Loop() {
				if list, _ = tenant.Match(list[:0], e); len(list) != 3 {
					b.Fatal(len(list))
				}
			}
		})
	}
}

// BenchmarkTenantAllFiltered measures subscriptions that all want the type. Each has its own filter,
// and one of the filters matches.
func BenchmarkTenantAllFiltered(b *testing.B) {
	for _, n := range []int{3, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			subs := make([]*match.Subscription, n)
			for i := range subs {
				subs[i] = sub(i, "order.*")
				subs[i].Filter = compile(b, fmt.Sprintf(`{"data":{"account":{"id":"acc_%d"},"amount":{"$gte":100}}}`, i))
			}
			tenant := match.NewTenant(1, subs)
			data := []byte(`{"id":123,"account":{"id":"acc_1","name":"ACME"},"amount":250.5,"text":"` + strings.Repeat("x", 900) + `"}`)
			var list []*match.Subscription
			b.ReportAllocs()
			for b.Loop() {
				if list, _ = tenant.Match(list[:0], &match.Event{Type: "order.paid", Data: data}); len(list) != 1 {
					b.Fatal(len(list))
				}
			}
		})
	}
}

// BenchmarkApply changes one of 10,000 subscriptions.
func BenchmarkApply(b *testing.B) {
	tenant := match.NewTenant(0, tenThousand(b, 10_000))
	for v := int64(0); b.Loop(); v++ {
		tenant.Apply(match.Changes{From: v, To: v + 1, Put: []*match.Subscription{sub(int(v%10_000), "other.t1")}})
	}
}

// BenchmarkSlow measures the cost of filters that are slow on purpose.
func BenchmarkSlow(b *testing.B) {
	for reason, tt := range slow(1 << 20) {
		b.Run(reason, func(b *testing.B) {
			f := compile(b, tt[0])
			b.ReportAllocs()
			for b.Loop() {
				f.Match(&match.Event{Data: []byte(tt[1])})
			}
		})
	}
}
