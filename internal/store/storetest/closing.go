package storetest

import (
	"context"
	"errors"
	"sync"

	"github.com/hookferry/hookferry/internal/event"
)

var closingCases = []testCase{
	{"a closed store returns errors", closedAnswers},
	{"closing under load makes no call hang", closeUnderLoad},
	{"a cancelled call returns and does no harm", givenUp},
	{"an event whose call was cancelled is stored completely or not at all", acceptGivenUp},
	{"a cancelled call does not make others fail", givesUpAlone},
}

// leasedDelivery returns a subscription, its one delivery, which node-a has leased, and an
// offer that is not stored yet.
func (r rig) leasedDelivery() (event.Subscription, event.Delivery, event.Acceptance) {
	r.t.Helper()
	s := r.subscribe(full)
	r.activate(s, true, s.UpdatedAt)
	s.Active, s.DisabledReason = true, ""
	r.accept(s.ID)
	return s, r.claimOne(owner("node-a")), r.offer(s.ID)
}

func closedAnswers(r rig) {
	calls := r.calls(r.leasedDelivery())
	r.must("close", r.s.Close())
	for _, c := range calls {
		if err := r.returns(c.name+" after Close", func() error { return c.do(r.t.Context()) }); err == nil {
			r.t.Errorf("%s after Close returned no error", c.name)
		}
	}
}

func closeUnderLoad(r rig) {
	s := r.subscribe()
	var wg sync.WaitGroup
	started := make(chan struct{}, 8)
	for range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				_, err := r.s.Accept(r.t.Context(), r.offer(s.ID))
				if i == 0 {
					started <- struct{}{}
				}
				if err != nil {
					return
				}
			}
		})
	}
	for range 8 {
		<-started
	}
	r.must("close", r.returns("Close", r.s.Close))
	r.must("wait", r.returns("Accept while the store closes", func() error { wg.Wait(); return nil }))
}

func givenUp(r rig) {
	s, held, offer := r.leasedDelivery()
	ctx, cancel := context.WithCancel(r.t.Context())
	cancel()
	calls := r.calls(s, held, offer)
	for _, c := range calls[:len(calls)-1] { // without DeleteSubscription
		// It may fail or not: the call may be done before it notices the cancellation.
		err := r.returns(c.name+" with a cancelled context", func() error { return c.do(ctx) })
		if err != nil && errors.Is(err, event.ErrKeyReused) {
			r.t.Errorf("%s returned %v, although the key was not used with another body", c.name, err)
		}
	}
	for _, c := range calls {
		if c.name == "Accept" || c.name == "CreateKey" || c.name == "RevokeKey" || c.name == "KeyByHash" {
			continue // these may fail now because they were done before
		}
		r.must(c.name+" afterwards", r.returns(c.name, func() error { return c.do(r.t.Context()) }))
	}
}

func acceptGivenUp(r rig) {
	s := r.subscribe()
	ctx, cancel := context.WithCancel(r.t.Context())
	cancel()
	for i := range 20 {
		a := r.offer(s.ID, key("key", byte(1)), due(r.now))
		a.IdempotencyKey += string(rune('a' + i))
		_, given := r.s.Accept(ctx, a)
		_, kept := r.s.Delivery(r.t.Context(), a.Deliveries[0].ID)
		if given == nil {
			r.must("read what was accepted", kept)
		} else if kept != nil {
			r.mustFail("read what was not accepted", kept, event.ErrNotFound)
		}
		twin := r.offer(s.ID, key(a.IdempotencyKey, 1))
		got, err := r.s.Accept(r.t.Context(), twin)
		r.must("try again under the same key", err)
		if got.Replayed && got.Deliveries[0] != a.Deliveries[0].ID || !got.Replayed && got.Deliveries[0] != twin.Deliveries[0].ID {
			r.t.Errorf("the second try got %+v", got)
		}
		r.delivery(got.Deliveries[0])
	}
	r.counted(map[event.Status]int{event.Pending: 20})
	for _, c := range r.claim().Deliveries {
		if len(c.Event.Payload) == 0 || c.Event.ID != c.Delivery.EventID {
			r.t.Errorf("delivery %v was claimed with the event %v", c.Delivery.ID, c.Event.ID)
		}
	}
}

// Concurrent calls share a transaction. If one of them is cancelled, the others must not fail.
func givesUpAlone(r rig) {
	s := r.subscribe()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 10 {
				ctx, cancel := context.WithCancel(r.t.Context())
				if i%2 == 0 {
					go cancel()
				}
				a := r.offer(s.ID)
				_, err := r.s.Accept(ctx, a)
				cancel()
				switch {
				case err == nil:
					if _, err := r.s.Delivery(r.t.Context(), a.Deliveries[0].ID); err != nil {
						r.t.Errorf("read what was accepted: %v", err)
					}
				case i%2 == 1:
					r.t.Errorf("accept while other callers are cancelled: %v", err)
				}
			}
		})
	}
	wg.Wait()
}
