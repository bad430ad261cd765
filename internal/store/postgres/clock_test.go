package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/test/await"
)

// machine is a machine with a clock that can be set, and that can be suspended.
type machine struct {
	started       time.Time
	ahead, asleep atomic.Int64
}

func newMachine(ahead time.Duration) *machine {
	m := &machine{started: time.Now()}
	m.ahead.Store(int64(ahead))
	return m
}

func (m *machine) clock() (time.Time, time.Duration) {
	now := time.Now()
	return now.Round(0).Add(time.Duration(m.ahead.Load())), now.Sub(m.started) - time.Duration(m.asleep.Load())
}

// node is a store on its own machine.
type node struct {
	*postgres.Store
	machine *machine
	name    string
}

func openNode(t *testing.T, url, name string) node {
	t.Helper()
	m := newMachine(0)
	return node{open(t, postgres.Options{URL: url}.WithClock(m.clock)), m, name}
}

// now returns the node's time, with the precision of the store.
func (n node) now() time.Time {
	at, _ := n.machine.clock()
	return at.UTC().Truncate(time.Microsecond)
}

func (n node) claim(t *testing.T, in time.Duration) event.Claim {
	t.Helper()
	now := n.now().Add(in)
	claim, err := n.Claim(t.Context(), event.ClaimRequest{Owner: n.name, Now: now, Until: now.Add(time.Minute), Limit: 10, Capacity: 10})
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

func (n node) claimOne(t *testing.T, in time.Duration) event.Delivery {
	t.Helper()
	claim := n.claim(t, in)
	if len(claim.Deliveries) != 1 {
		t.Fatalf("%s claimed %d deliveries, want 1", n.name, len(claim.Deliveries))
	}
	return claim.Deliveries[0].Delivery
}

func (n node) rescue(t *testing.T, in time.Duration, want int) {
	t.Helper()
	if got, err := n.Rescue(t.Context(), time.Time{}, n.now().Add(in)); err != nil || got != want {
		t.Errorf("in %v, %s took over %d leases, %v; want %d", in, n.name, got, err, want)
	}
}

// fail records a failed attempt, whose retry is due in ten seconds.
func (n node) fail(t *testing.T, d event.Delivery) event.Delivery {
	t.Helper()
	o := event.Outcome{StartedAt: n.now(), Code: event.CodeStatus, StatusCode: 500}
	settlement := event.Settle(d, o, event.RetryPolicy{10 * time.Second, 10 * time.Second}, n.now(), 0.5)
	if err := n.Record(t.Context(), []event.Settlement{settlement}); err != nil {
		t.Fatal(err)
	}
	return settlement.Delivery
}

// doubt allows for the error of a measurement and for the time that a test takes.
const doubt = 5 * time.Second

// nearly compares two times. They may differ by doubt.
func nearly(t *testing.T, what string, got, want time.Time) {
	t.Helper()
	if got.Sub(want).Abs() > doubt {
		t.Errorf("%s is %v, want about %v", what, got, want)
	}
}

// Two clocks differ by two hours, both measured, and both just set.
func TestClocksOfNodesDoNotMatter(t *testing.T) {
	t.Parallel()
	for name, measure := range map[string]func(*testing.T, node){
		"measured": func(t *testing.T, n node) {
			if err := n.MeasureClock(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"just set": func(*testing.T, node) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := server.Database(t, template)
			fast, slow := openNode(t, url, "fast"), openNode(t, url, "slow")
			sub := subscribed(t, fast.Store)
			fast.machine.ahead.Store(int64(time.Hour))
			slow.machine.ahead.Store(int64(-time.Hour))
			measure(t, fast)
			measure(t, slow)
			t.Run("fast to slow", func(t *testing.T) { handOver(t, fast, slow, sub.ID) })
			t.Run("slow to fast", func(t *testing.T) { handOver(t, slow, fast, sub.ID) })
		})
	}
}

// handOver lets one node work on a delivery, and then the other.
func handOver(t *testing.T, one, other node, sub event.ID) {
	accept(t, one.Store, offer(sub, one.now()))
	nearly(t, "when it is due", other.claimOne(t, doubt).DueAt, other.now())
	one.rescue(t, 0, 0)
	one.rescue(t, time.Minute-doubt, 0)
	if got := one.claim(t, time.Hour/2); len(got.Deliveries) > 0 {
		t.Errorf("%s claimed what %s has leased", one.name, other.name)
	}
	one.rescue(t, time.Minute+2*doubt, 1) // the claim was made doubt from now

	retry := one.fail(t, one.claimOne(t, 0))
	claim := other.claim(t, 0)
	if len(claim.Deliveries) > 0 {
		t.Errorf("%s claimed a retry at once that is due in 10 s", other.name)
	}
	nearly(t, "when the retry is due", claim.NextDue, other.now().Add(10*time.Second))
	if got := other.claim(t, 10*time.Second-doubt); len(got.Deliveries) > 0 {
		t.Errorf("%s claimed a retry before it was due", other.name)
	}
	depth, err := other.Depth(t.Context(), other.now().Add(time.Minute))
	if err != nil || depth.Due != 1 || (depth.OldestDue-50*time.Second).Abs() > doubt {
		t.Errorf("depth in a minute: %+v, %v; want one that has been due for 50 s", depth, err)
	}
	report, err := one.Delivery(t.Context(), retry.ID)
	if err != nil {
		t.Fatal(err)
	}
	nearly(t, "when it is due, where it was written,", report.Delivery.DueAt, retry.DueAt)

	held := other.claimOne(t, 10*time.Second+doubt)
	if lost, err := other.Renew(t.Context(), []event.LeaseKey{{Delivery: held.ID, Owner: other.name}}, other.now().Add(2*time.Minute)); err != nil || len(lost) > 0 {
		t.Errorf("renewed: lost %v, %v", lost, err)
	}
	one.rescue(t, 2*time.Minute-doubt, 0)
	report, err = one.Delivery(t.Context(), retry.ID)
	if err != nil {
		t.Fatal(err)
	}
	nearly(t, "the end of the lease", report.Delivery.LeasedUntil, one.now().Add(2*time.Minute))
	one.rescue(t, 2*time.Minute+doubt, 1)
	deliver(t, one.Store, one.claimOne(t, time.Minute), one.now())

	a := offer(sub, one.now())
	a.Deliveries[0].LeaseOwner, a.Deliveries[0].LeasedUntil = one.name, one.now().Add(time.Minute)
	accept(t, one.Store, a)
	other.rescue(t, time.Minute-doubt, 0)
	other.rescue(t, time.Minute+doubt, 1)
	deliver(t, other.Store, other.claimOne(t, doubt), other.now())
}

// A time must be read as it was written, to the microsecond, even if the clock is measured in between.
func TestTimesComeBackWhereTheyWereWritten(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{0, 400 * time.Millisecond, -3 * time.Hour, 40*24*time.Hour + 123456789} {
		n := openNode(t, server.Database(t, template), "a")
		sub := subscribed(t, n.Store)
		n.machine.ahead.Store(int64(ahead))
		measure := func() {
			t.Helper()
			if err := n.MeasureClock(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		measure()
		a := offer(sub.ID, n.now())
		a.Deliveries[0].LeaseOwner, a.Deliveries[0].LeasedUntil = "a", n.now().Add(time.Minute)
		want := accept(t, n.Store, a)
		for range 3 {
			measure()
			got, err := n.Delivery(t.Context(), want.ID)
			if err != nil || got.Delivery != want {
				t.Fatalf("%v ahead: read %+v, %v; want %+v", ahead, got.Delivery, err, want)
			}
		}
		if got := n.ClockOffset(); (got + ahead).Abs() > doubt {
			t.Errorf("%v ahead: the offset is %v", ahead, got)
		}
	}
}

// A machine that was suspended has the right time, although the program has run for a shorter time.
func TestClockAfterASleep(t *testing.T) {
	t.Parallel()
	n := openNode(t, server.Database(t, template), "a")
	n.machine.asleep.Store(int64(time.Hour))
	if got := n.ClockOffset(); (got + time.Hour).Abs() > doubt {
		t.Errorf("before it is measured, the offset is %v: the store must first assume that the clock was set, which is the worse case", got)
	}
	await.NoError(t, func() error {
		if got := n.ClockOffset(); got.Abs() > doubt {
			return fmt.Errorf("the offset is %v", got)
		}
		return nil
	})
}

func TestFarClocksAreRefusedAtStart(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	for _, tt := range []struct {
		ahead time.Duration
		want  string // "": the store opens
	}{
		{3 * time.Hour, "3h0m0s ahead of the database's"},
		{-10 * time.Minute, "10m0s behind the database's"},
		{4 * time.Minute, ""},
		{-4 * time.Minute, ""},
	} {
		s, err := postgres.Open(t.Context(), postgres.Options{URL: url}.WithClock(newMachine(tt.ahead).clock))
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "NTP") {
				t.Errorf("%v ahead: got %v, want a refusal that says %q", tt.ahead, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v ahead: %v", tt.ahead, err)
			continue
		}
		if got := s.ClockOffset(); (got + tt.ahead).Abs() > doubt {
			t.Errorf("%v ahead: the offset is %v", tt.ahead, got)
		}
		s.Close()
	}
}

// Retention uses the database's clock. A node whose clock leaps ahead by days must not delete what
// the others keep. The times in its own ids are days ahead.
func TestClockThatLeapsDeletesNothing(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	right, leaps := openNode(t, url, "right"), openNode(t, url, "leaps")
	sub := subscribed(t, right.Store)
	done := accept(t, right.Store, offer(sub.ID, right.now()))
	deliver(t, right.Store, done, right.now())
	leaps.machine.ahead.Store(int64(30 * 24 * time.Hour))
	n, err := leaps.Expire(t.Context(), leaps.now().Add(-72*time.Hour), leaps.now(), 10)
	if err != nil || n != 0 {
		t.Errorf("expired %d, %v", n, err)
	}
	if _, err := right.Delivery(t.Context(), done.ID); err != nil {
		t.Errorf("a delivery that settled a moment ago was deleted: %v", err)
	}
	own := accept(t, leaps.Store, offer(sub.ID, leaps.now()))
	if got := right.claimOne(t, doubt); got.ID != own.ID {
		t.Errorf("claimed %v, want %v", got.ID, own.ID)
	}
}

// If the partition for a clock that is far off can't be created, nothing is stored, and the error
// says which partition it was.
func TestWithoutAPartition(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	s := open(t, postgres.Options{URL: url})
	sub := subscribed(t, s)
	release := hold(t, url, `LOCK TABLE deliveries IN SHARE UPDATE EXCLUSIVE MODE`)
	far := time.Date(2031, 4, 5, 6, 7, 8, 0, time.UTC)
	a := offer(sub.ID, far)
	_, err := s.Accept(t.Context(), a)
	if !errors.Is(err, event.ErrUnavailable) || !strings.Contains(err.Error(), "partitions for ids of 2031-04-05 06:00:00") {
		t.Errorf("got %v, want ErrUnavailable with the time of the partition", err)
	}
	accept(t, s, offer(sub.ID, time.Now()))
	release()
	accept(t, s, a)
}

func TestOffsetInUse(t *testing.T) {
	t.Parallel()
	const s, h = time.Second, time.Hour
	for _, tt := range []struct {
		measured, before, way, want time.Duration
		why                         string
	}{
		{0, 0, 0, 0, "the clocks agree"},
		{999 * time.Millisecond, 0, 0, 0, "less than a second ahead is ignored"},
		{-999 * time.Millisecond, 0, 0, 0, "less than a second behind is ignored"},
		{s, 0, 0, s, "a second counts"},
		{2 * s, 0, 3 * s, 0, "the round trip may explain all of it"},
		{h + 1234567, 0, 0, h + time.Millisecond, "rounded to milliseconds"},
		{h + s/2, h, 0, h, "the previous offset is still right"},
		{h - 2*s, h, 0, h - 2*s, "the previous offset is wrong"},
		{h + 2*s, h, 4 * s, h, "after a slow response, the previous offset may still be right"},
		{s / 2, h, 0, 0, "the clock was set right"},
	} {
		if got := postgres.UsableOffset(tt.measured, tt.before, tt.way); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.why, got, tt.want)
		}
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	name, err := server.Create(t.Context(), template)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := postgres.Open(context.Background(), postgres.Options{URL: server.URL(name)})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // Close may be repeated
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := postgres.Open(t.Context(), postgres.Options{URL: server.URL(name)}.WithClock(newMachine(time.Hour).clock)); err == nil {
		t.Error("a clock that is an hour ahead was accepted")
	}
}
