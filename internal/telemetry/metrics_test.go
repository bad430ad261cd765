package telemetry

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hookferry/hookferry/internal/event"
)

func noDepth(context.Context) (event.Depth, error) { return event.Depth{}, nil }

var accepted = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// settlement is an attempt that began 2 s after the acceptance and took 3 s.
func settlement(number int, code event.Code, status event.Status) event.Settlement {
	return event.Settlement{
		Delivery: event.Delivery{Status: status, CreatedAt: accepted, SettledAt: accepted.Add(5 * time.Second)},
		Attempt:  event.Attempt{Number: number, Outcome: event.Outcome{StartedAt: accepted.Add(2 * time.Second), Duration: 3 * time.Second, Code: code}},
	}
}

func TestAttempt(t *testing.T) {
	for _, c := range []struct {
		reason string
		s      event.Settlement
		want   map[string]float64
	}{
		{"delivered at once", settlement(1, "", event.Delivered), map[string]float64{
			`attempts_total{outcome="success"}`: 1, `deliveries_settled_total{status="delivered"}`: 1,
			"attempt_duration_seconds": 3, "accept_to_first_attempt_seconds": 2, "accept_to_delivered_seconds": 5,
		}},
		{"delivered by a retry: not a first attempt", settlement(2, "", event.Delivered), map[string]float64{
			`attempts_total{outcome="success"}`: 1, `deliveries_settled_total{status="delivered"}`: 1,
			"attempt_duration_seconds": 3, "accept_to_delivered_seconds": 5,
		}},
		{"failed, and will be retried: not settled", settlement(1, event.CodeTimeout, event.Pending), map[string]float64{
			`attempts_total{outcome="timeout"}`: 1, "attempt_duration_seconds": 3, "accept_to_first_attempt_seconds": 2,
		}},
		{"failed for good", settlement(2, event.CodeGone, event.Failed), map[string]float64{
			`attempts_total{outcome="gone"}`: 1, `deliveries_settled_total{status="failed"}`: 1, "attempt_duration_seconds": 3,
		}},
		{"an unknown code creates no series", settlement(2, "made_up", event.Pending), map[string]float64{
			`attempts_total{outcome="other"}`: 1, "attempt_duration_seconds": 3,
		}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			m := NewMetrics("test", noDepth)
			m.Attempt(c.s)
			checkSums(t, m, c.want)
		})
	}
}

func TestTheOtherMethods(t *testing.T) {
	m := NewMetrics("test", nil)
	m.Accepted()
	m.Accepted()
	m.Filtered()
	m.Refused(429)
	m.Refused(418)
	m.ConnectionRefused()
	m.InFlight(3)
	m.InFlight(-1)
	m.Commit(40, 2*time.Second)
	m.Commit(2, time.Second)
	checkSums(t, m, map[string]float64{
		`requests_refused_total{status="429"}`: 1, `requests_refused_total{status="other"}`: 1, "connections_refused_total": 1,
		"events_accepted_total": 2, "events_filtered_total": 1, "attempts_in_flight": 2,
		"store_commits_total": 2, "store_commit_rows_total": 42, "store_commit_seconds": 3,
	})
}

func TestAClockSetBackCountsAsZero(t *testing.T) {
	m := NewMetrics("test", nil)
	s := settlement(1, "", event.Delivered)
	s.Delivery.CreatedAt = accepted.Add(time.Hour)
	m.Attempt(s)
	m.Commit(-1, -time.Second)
	checkSums(t, m, map[string]float64{
		`attempts_total{outcome="success"}`: 1, `deliveries_settled_total{status="delivered"}`: 1,
		"attempt_duration_seconds": 3, "store_commits_total": 1,
	})
}

// checkSums compares every non-zero series: the value of a counter or gauge, and the sum of a
// histogram.
func checkSums(t *testing.T, m *Metrics, want map[string]float64) {
	t.Helper()
	got := sums(t, m)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
		delete(got, name)
	}
	for name, value := range got {
		t.Errorf("%s is %v, want nothing counted", name, value)
	}
}

func sums(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, family := range families {
		name, ours := strings.CutPrefix(family.GetName(), "hookferry_")
		if !ours || name == "build_info" || name == "store_up" {
			continue
		}
		for _, metric := range family.GetMetric() {
			series := name
			for _, l := range metric.GetLabel() {
				series += "{" + l.GetName() + "=" + strconv.Quote(l.GetValue()) + "}"
			}
			value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + metric.GetHistogram().GetSampleSum()
			if value != 0 {
				found[series] = value
			}
		}
	}
	return found
}

func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	m := NewMetrics("1.2.3", noDepth)
	want := map[string]int{
		"requests_refused_total": len(refusals) + 1, "connections_refused_total": 1,
		"events_accepted_total": 1, "events_filtered_total": 1, "attempts_total": len(failureCodes) + 2,
		"deliveries_settled_total": 2, "attempts_in_flight": 1, "accept_to_first_attempt_seconds": 1,
		"accept_to_delivered_seconds": 1, "attempt_duration_seconds": 1, "store_commits_total": 1,
		"store_commit_rows_total": 1, "store_commit_seconds": 1, "store_up": 1, "deliveries_pending": 1,
		"deliveries_leased": 1, "deliveries_due": 1, "oldest_due_seconds": 1, "build_info": 1,
	}
	for name, n := range want {
		if got, err := testutil.GatherAndCount(m.registry, "hookferry_"+name); err != nil || got != n {
			t.Errorf("%s has %d series, want %d (%v)", name, got, n, err)
		}
	}
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if got, err := testutil.GatherAndCount(m.registry, name); err != nil || got != 1 {
			t.Errorf("%s has %d series, want 1 (%v)", name, got, err)
		}
	}
}

func TestNamesAndHelpFollowTheConventions(t *testing.T) {
	m := NewMetrics("1.2.3", noDepth)
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestHistogramsAreNativeAndClassic(t *testing.T) {
	m := NewMetrics("test", nil)
	m.Attempt(settlement(1, "", event.Delivered))
	m.Commit(1, time.Millisecond)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "hookferry_") || family.GetMetric()[0].GetHistogram() == nil {
			continue
		}
		seen++
		h := family.GetMetric()[0].GetHistogram()
		if h.GetSchema() != 3 || len(h.GetPositiveSpan()) == 0 {
			t.Errorf("%s has no native buckets of factor 1.1 (schema 3): schema %d", family.GetName(), h.GetSchema())
		}
		if len(h.GetBucket()) < 16 || h.GetBucket()[0].GetUpperBound() != 0.0005 {
			t.Errorf("%s has no classic buckets from 0.5 ms", family.GetName())
		}
	}
	if seen != 4 {
		t.Errorf("%d histograms, want 4", seen)
	}
}

// TestEveryCodeIsALabel reads the codes where they are declared, so that a new code can't be
// counted as "other" unnoticed.
func TestEveryCodeIsALabel(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../event/outcome.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics("test", nil)
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		declared++
		if m.attempts[event.Code(text)] == nil {
			t.Errorf("event.%s (%q) is not in failureCodes", spec.Names[0].Name, text)
		}
		return true
	})
	if declared != len(failureCodes) {
		t.Errorf("package event declares %d codes, failureCodes has %d", declared, len(failureCodes))
	}
}

func TestTwoServicesInOneProcess(t *testing.T) {
	one, two := NewMetrics("1", noDepth), NewMetrics("2", noDepth)
	one.Accepted()
	if got := testutil.ToFloat64(two.accepted); got != 0 {
		t.Errorf("the second service counted %v events of the first", got)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	m := NewMetrics("test", nil)
	// Buckets are created by their first value, so the second round creates none.
	countSpread(m)
	if n := testing.AllocsPerRun(100, func() { countSpread(m) }); n != 0 {
		t.Errorf("counting allocates %v times, want never", n)
	}
}

// countSpread counts durations from 1 ms to 8 s and every outcome.
func countSpread(m *Metrics) {
	for d := time.Millisecond; d < 10*time.Second; d *= 2 {
		for _, code := range failureCodes {
			countOne(m, code, d)
		}
	}
}

func countOne(m *Metrics, code event.Code, took time.Duration) {
	s := event.Settlement{
		Delivery: event.Delivery{Status: event.Delivered, CreatedAt: accepted, SettledAt: accepted.Add(2 * took)},
		Attempt:  event.Attempt{Number: 1, Outcome: event.Outcome{StartedAt: accepted.Add(took), Duration: took, Code: code}},
	}
	m.Accepted()
	m.Filtered()
	m.InFlight(1)
	m.Attempt(s)
	m.InFlight(-1)
	m.Commit(10, took)
}

func BenchmarkAcceptedAndAttempted(b *testing.B) {
	m := NewMetrics("test", nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for took := time.Millisecond; pb.Next(); took = took%time.Second + 7*time.Millisecond {
			s := event.Settlement{
				Delivery: event.Delivery{Status: event.Delivered, CreatedAt: accepted, SettledAt: accepted.Add(2 * took)},
				Attempt:  event.Attempt{Number: 1, Outcome: event.Outcome{StartedAt: accepted.Add(took), Duration: took}},
			}
			m.Accepted()
			m.InFlight(1)
			m.Attempt(s)
			m.InFlight(-1)
		}
	})
}
