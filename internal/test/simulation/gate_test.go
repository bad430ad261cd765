package simulation

import (
	"context"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// gate lies between a process and the world. It counts the steps that pass through it, and at one
// of them the process dies: before the step has any effect, or after it but before anyone learns of
// it. From then on, nothing passes.
type gate struct {
	dieAt int // 0: never
	after bool

	mu      sync.Mutex
	n       int            // steps so far
	steps   map[string]int // steps by kind
	dead    bool
	offered []event.ID    // deliveries passed to Accept
	died    chan struct{} // closed when the process dies
	freed   chan struct{} // closed when the test releases hanging calls
}

func newGate(dieAt int, after bool) *gate {
	return &gate{dieAt: dieAt, after: after, steps: map[string]int{}, died: make(chan struct{}), freed: make(chan struct{})}
}

// pass makes a step. If the process has died, it waits until the test releases it, and returns
// false: the caller learns nothing.
func (g *gate) pass(kind string, step func()) bool {
	g.mu.Lock()
	if g.dead {
		g.mu.Unlock()
		<-g.freed
		return false
	}
	g.n++
	g.steps[kind]++
	last := g.n == g.dieAt
	g.dead = last
	g.mu.Unlock()
	if !last || g.after {
		step()
	}
	if last {
		close(g.died)
	}
	if g.isDead() {
		<-g.freed
		return false
	}
	return true
}

func (g *gate) isDead() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dead
}

func (g *gate) note(id event.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.offered = append(g.offered, id)
}

// gated is a store behind a gate. Reads are not steps, because they have no effect.
type gated struct {
	store.Store
	g *gate
}

func (s gated) step(kind string, f func() error) (err error) {
	if !s.g.pass(kind, func() { err = f() }) {
		return event.ErrUnavailable
	}
	return err
}

func (s gated) Accept(ctx context.Context, a event.Acceptance) (r event.Receipt, err error) {
	err = s.step("accept", func() (err error) {
		s.g.note(a.Deliveries[0].ID)
		r, err = s.Store.Accept(ctx, a)
		return err
	})
	return r, err
}

func (s gated) Claim(ctx context.Context, r event.ClaimRequest) (c event.Claim, err error) {
	err = s.step("claim", func() (err error) { c, err = s.Store.Claim(ctx, r); return err })
	if err != nil {
		return event.Claim{}, err
	}
	return c, nil
}

func (s gated) Record(ctx context.Context, list []event.Settlement) error {
	return s.step("record", func() error { return s.Store.Record(ctx, list) })
}

func (s gated) Renew(ctx context.Context, leases []event.LeaseKey, until time.Time) (lost []event.LeaseKey, err error) {
	err = s.step("renew", func() (err error) { lost, err = s.Store.Renew(ctx, leases, until); return err })
	return lost, err
}

func (s gated) Release(ctx context.Context, leases []event.LeaseKey) error {
	return s.step("release", func() error { return s.Store.Release(ctx, leases) })
}

func (s gated) Rescue(ctx context.Context, from, now time.Time) (n int, err error) {
	err = s.step("rescue", func() (err error) { n, err = s.Store.Rescue(ctx, from, now); return err })
	return n, err
}

func (s gated) Unpark(ctx context.Context, now time.Time, limit int) (n int, err error) {
	err = s.step("unpark", func() (err error) { n, err = s.Store.Unpark(ctx, now, limit); return err })
	return n, err
}
