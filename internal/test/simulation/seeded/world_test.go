package seeded

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/dispatch"
	"github.com/hookferry/hookferry/internal/event"
)

// world is one run: the nodes and everything around them. It does one thing at a time, and only
// when nothing moves by itself any more.
type world struct {
	t         *testing.T
	dice      *rand.Rand
	store     *model
	began     time.Time
	calm      bool    // only the endpoints misbehave
	siege     bool    // all but one of them hang, and are flooded
	paced     bool    // other nodes use up the rates
	busy      bool    // tenants change while events are published to them
	genuine   bool    // nodes publish with package ingest, and not as in publisher_test.go
	trouble   float64 // how often a call fails
	limits    dispatch.Limits
	healedAt  time.Time
	away      time.Time // until when the store is unavailable
	nodes     []*node
	endpoints []*endpoint
	callers   []*caller

	watched   []*watched
	begun     map[string]begun // by node and delivery
	lastStart map[string]time.Time
	wrong     string // a broken invariant; ends the run
	trace     bytes.Buffer
	stats     stats

	mu      sync.Mutex
	waiting []*call
	names   map[event.ID]string
	stream  []event.Claimed  // what nodes have passed on
	events  int              // events that it has looked at
	bare    int              // those without deliveries
	refused map[event.ID]int // by event, the deliveries that failed at once
	ids     uint64           // ids of subscriptions
	over    bool
}

// begun is how a delivery was started.
type begun struct {
	delivery event.Delivery
	read     fate
}

type stats struct {
	steps, faults, kills, accepted, delivered, failed, cancelled, pending int
	overtaken, rescued, duplicates, strays, resends, requests             int
	published, stale, rematched                                           int           // to tenants; matched in vain; matched by the store
	longest                                                               time.Duration // that a quiet endpoint waited
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, dice: rand.New(rand.NewPCG(seed, 0)), store: newModel(), began: time.Now(), //nolint:gosec // chance that can be repeated
		refused: map[event.ID]int{}, begun: map[string]begun{}, lastStart: map[string]time.Time{}, names: map[event.ID]string{},
	}
	w.limits = dispatch.Limits{InFlight: 12, LaneInFlight: 4, LaneDepth: 8, Buffered: 40, BufferedBytes: 8 << 10}
	w.calm = w.chance(0.25)
	w.siege = w.calm && w.chance(0.3)
	if !w.calm && w.chance(0.3) {
		w.limits.InFlight = 5
	}
	w.paced = w.chance(0.5)
	w.busy, w.genuine = w.chance(0.3), w.chance(0.6)
	w.trouble = 0.25 * w.dice.Float64() * w.dice.Float64()
	if w.chance(0.15) {
		w.trouble = 0.3
	}
	return w
}

func (w *world) chance(p float64) bool { return w.dice.Float64() < p }

// between returns a time that hardly coincides with another, to the nanosecond.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + 1 + time.Duration(w.dice.Int64N(int64(most-least)))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) log(format string, args ...any) {
	fmt.Fprintf(&w.trace, "%12v ", time.Since(w.began))
	fmt.Fprintf(&w.trace, format+"\n", args...)
}

// demand ends the run if an invariant is broken.
func (w *world) demand(holds bool, format string, args ...any) {
	if holds || w.wrong != "" {
		return
	}
	w.wrong = fmt.Sprintf(format, args...)
	w.log("WRONG: %s", w.wrong)
}

func (w *world) nameOf(id event.ID) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.names[id]
}

func (w *world) name(id event.ID, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[id] = name
}

// count changes the statistics for a node.
func (w *world) count(what func(*stats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	what(&w.stats)
}

// newID returns an id of a subscription. Its order is that of the calls, so that nothing depends on
// chance that can't be repeated.
func (w *world) newID() event.ID {
	w.ids++
	id := event.FloorID(time.Now())
	id[6] = 0x70
	binary.BigEndian.PutUint64(id[8:], 1<<63|w.ids)
	return id
}

func (w *world) isCut(n *node) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over && n.dead
}

// play makes a whole run: first with trouble, then without until everything is settled, and then
// compares the results.
func (w *world) play() {
	w.pass(0)
	w.makeEndpoints()
	w.registerAll()
	for i := range 1 + w.dice.IntN(3) {
		w.startNode(i > 0)
	}
	for n := 150 + w.dice.IntN(250); n > 0 && w.wrong == ""; n-- {
		w.step()
	}
	w.heal()
	w.endAll()
	w.account()
	w.bury()
}

// settle waits until nothing moves, and checks the result of the step.
func (w *world) settle(step *call) {
	synctest.Wait()
	w.stats.steps++
	w.look(step)
	news := slices.DeleteFunc(w.calls(), func(c *call) bool { return c.arrived })
	slices.SortStableFunc(news, func(a, b *call) int { return a.since.Compare(b.since) })
	for _, c := range news {
		w.arrive(c)
	}
	w.hear()
	w.reap()
}

// step does one thing: something outside the nodes, a call that continues, or time that passes.
func (w *world) step() {
	ready := w.ready()
	offered := w.offered()
	switch {
	case w.calm && len(w.stream) > 0:
		w.offer()
	case w.busy && w.healedAt.IsZero() && offered != nil && w.chance(0.6):
		w.disturb(offered.published)
	case w.healedAt.IsZero() && w.chance(0.12):
		w.act()
	case len(ready) > 0 && (w.calm || !w.healedAt.IsZero() || w.chance(0.85)):
		w.resume(ready[w.dice.IntN(len(ready))])
	default:
		w.pass(700 * time.Millisecond)
	}
}

// ready returns the calls that may continue now.
func (w *world) ready() (list []*call) {
	now := time.Now()
	for _, c := range w.calls() {
		broken := c.ctx != nil && c.ctx.Err() != nil
		if (broken || !c.ready.After(now)) && !c.node.frozen.After(now) {
			list = append(list, c)
		}
	}
	return list
}

// pass lets time pass, at most until the next call is ready.
func (w *world) pass(most time.Duration) {
	d := w.between(0, most+time.Millisecond)
	for _, c := range w.calls() {
		if left := time.Until(c.ready); left > 0 {
			d = min(d, left)
		}
	}
	time.Sleep(d)
	w.settle(nil)
}

// resume lets one call continue, with a random result.
func (w *world) resume(c *call) {
	f := w.fate(c)
	if f != goesOn {
		c.node.lame = true
		w.stats.faults++
	}
	if c.ready.After(time.Now()) && (c.ctx == nil || c.ctx.Err() == nil) {
		w.log("%s is held up", c.name())
		return
	}
	w.log("%s %v", c.name(), f)
	switch c.kind {
	case "start":
		w.letStart(c, f)
	case "request":
		w.letRespond(c)
	}
	w.letGo(c, f)
	w.settle(c)
}

// fate decides how a call continues. It may postpone the call.
func (w *world) fate(c *call) fate {
	if w.calm || !w.healedAt.IsZero() || c.kind == "request" || c.kind == "answer" {
		return goesOn
	}
	read := c.kind == "read" || c.kind == "start"
	switch {
	case w.away.After(time.Now()) && (!read || w.chance(0.3)):
		if read {
			return fails
		}
		return []fate{fails, fails, fails, unheard}[w.dice.IntN(4)]
	case !w.chance(w.trouble):
		return goesOn
	case read:
		return []fate{fails, outdated, outdated}[w.dice.IntN(3)]
	}
	switch w.dice.IntN(5) {
	case 0:
		return fails
	case 1, 2:
		return unheard
	case 3:
		c.delay = w.between(10*time.Millisecond, 12*time.Second)
		return answered
	}
	c.node.lame = true
	c.ready = time.Now().Add(w.between(10*time.Millisecond, 12*time.Second))
	return goesOn
}

func (w *world) letStart(c *call, f fate) {
	n, e := c.node, w.endpoint(c.delivery.SubscriptionID)
	n.wait = 0
	if w.paced && e.every > 0 && w.healedAt.IsZero() && w.chance(0.2) {
		n.wait = w.between(20*time.Millisecond, 900*time.Millisecond)
	}
	w.begun[n.name+c.of] = begun{c.delivery, f}
}

func (w *world) letRespond(c *call) {
	c.node.jitter = w.dice.Float64()
	seen := w.find(c.toDelivery)
	if seen == nil || c.ctx.Err() != nil {
		return
	}
	if c.outcome.Refused() {
		e := w.endpoint(c.sub.ID)
		if until := time.Now().Add(c.outcome.RetryAfter); until.After(c.node.asked[e]) {
			c.node.asked[e] = until
		}
	}
	seen.requests = append(seen.requests, request{c.node, c.claimed, c.since, time.Now(), c.outcome})
	if c.outcome.Success() {
		seen.successes++
	}
}
