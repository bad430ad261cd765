package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var concurrencyCases = []testCase{
	{"events accepted in parallel are all readable at once", acceptTogether},
	{"of parallel acceptances with one key and one body exactly one is stored", acceptTwins},
	{"of parallel acceptances with one key and different bodies one wins", acceptRivals},
	{"an event that can't be stored does not make others fail", acceptBeside},
	{"two owners never get the same delivery", claimTogether},
	{"of two settlements of one delivery only one uses a step of the schedule", settleTogether},
	{"a delivery and its attempts are read in one snapshot", readWhole},
	{"a deletion in parallel with acceptances leaves nothing to claim", deleteTogether},
}

// together runs f n times in parallel and waits for all.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// acceptAll stores many offers in parallel, as ingest does.
func (r rig) acceptAll(offers []event.Acceptance) {
	r.t.Helper()
	const hands = 64
	together(hands, func(hand int) {
		for i := hand; i < len(offers); i += hands {
			if _, err := r.s.Accept(r.t.Context(), offers[i]); err != nil {
				r.t.Errorf("accept one of %d events: %v", len(offers), err)
				return
			}
		}
	})
	if r.t.Failed() {
		r.t.FailNow()
	}
}

func acceptTogether(r rig) {
	subs := r.subscriptions(4)
	together(32, func(i int) {
		for range 4 {
			a := r.offer(subs[i%4], payload([]byte(fmt.Sprint(i))))
			if _, err := r.s.Accept(r.t.Context(), a); err != nil {
				r.t.Errorf("accept: %v", err)
				return
			}
			got, err := r.s.Delivery(r.t.Context(), a.Deliveries[0].ID)
			if err != nil {
				r.t.Errorf("read at once what was accepted: %v", err)
				return
			}
			same(r.t, "delivery", got.Delivery, a.Deliveries[0])
		}
	})
	r.counted(map[event.Status]int{event.Pending: 128})
}

func acceptTwins(r rig) {
	s := r.subscribe()
	const n = 50
	receipts := make([]event.Receipt, n)
	together(n, func(i int) {
		var err error
		if receipts[i], err = r.s.Accept(r.t.Context(), r.offer(s.ID, key("key-1", 1))); err != nil {
			r.t.Errorf("accept a twin: %v", err)
		}
	})
	stored := 0
	for _, receipt := range receipts {
		if !receipt.Replayed {
			stored++
		}
		if receipt.Deliveries[0] != receipts[0].Deliveries[0] || receipt.Event != receipts[0].Event {
			r.t.Fatalf("twins got different ids: %+v and %+v", receipts[0], receipt)
		}
	}
	if stored != 1 {
		r.t.Errorf("%d twins were stored, want 1", stored)
	}
	r.counted(map[event.Status]int{event.Pending: 1})
	if got := r.claimOne(); got.ID != receipts[0].Deliveries[0] {
		r.t.Errorf("claimed %v, but the twins' receipt has %v", got.ID, receipts[0].Deliveries[0])
	}
}

// The refused events share transactions with events that must be stored.
func acceptRivals(r rig) {
	s := r.subscribe()
	const n = 48
	errs := make([]error, n)
	together(n, func(i int) {
		offer := r.offer(s.ID)
		if i%3 > 0 {
			key("key-1", byte(i%3))(&offer)
		}
		_, errs[i] = r.s.Accept(r.t.Context(), offer)
	})
	refused := make(map[int]int)
	for i, err := range errs {
		if err != nil {
			r.mustFail("accept a rival", err, event.ErrKeyReused)
			refused[i%3]++
		}
	}
	if refused[0] > 0 || refused[1]+refused[2] != n/3 || refused[1]*refused[2] > 0 {
		r.t.Errorf("refused %d without a key, %d with the first body and %d with the second; want all of one body",
			refused[0], refused[1], refused[2])
	}
	r.counted(map[event.Status]int{event.Pending: n/3 + 1})
}

// No caller creates the same id twice. Here it stands for any row that the database refuses.
func acceptBeside(r rig) {
	s := r.subscribe()
	first := r.accept(s.ID)
	const n = 48
	together(n, func(i int) {
		offer := r.offer(s.ID)
		if i%8 == 0 {
			offer.Event.ID, offer.Deliveries[0].ID = first.Event.ID, first.Deliveries[0].ID
		}
		if _, err := r.s.Accept(r.t.Context(), offer); (err != nil) != (i%8 == 0) {
			r.t.Errorf("accept %d together with ids that exist: %v", i, err)
		}
	})
	r.counted(map[event.Status]int{event.Pending: 1 + n - n/8})
}

func claimTogether(r rig) {
	const rows, owners = 2000, 8
	subs := r.subscriptions(5)
	offers := make([]event.Acceptance, rows)
	for i := range offers {
		offers[i] = r.offer(subs[i%5])
	}
	r.acceptAll(offers)

	var mu sync.Mutex
	got := make(map[event.ID]string)
	together(owners, func(i int) {
		name := fmt.Sprintf("node-%d", i)
		for more := true; more; {
			claim, err := r.s.Claim(r.t.Context(), r.request(owner(name), limit(60)))
			if err != nil {
				r.t.Errorf("claim in parallel: %v", err)
				return
			}
			mu.Lock()
			for _, c := range claim.Deliveries {
				if other := got[c.Delivery.ID]; other != "" || c.Delivery.LeaseOwner != name {
					r.t.Errorf("%s got a delivery that is %q's and was %q's", name, c.Delivery.LeaseOwner, other)
				}
				got[c.Delivery.ID] = name
			}
			mu.Unlock()
			more = claim.More || len(claim.Deliveries) > 0
		}
	})
	if len(got) != rows {
		r.t.Errorf("%d deliveries were claimed, want all %d", len(got), rows)
	}
}

func settleTogether(r rig) {
	s := r.subscribe()
	for range 10 {
		r.accept(s.ID)
		held := r.claimOne()
		rivals := []event.Settlement{settle(held, r.tick(), success()), settle(held, r.tick(), failure())}
		together(2, func(i int) {
			if err := r.s.Record(r.t.Context(), rivals[i:i+1]); err != nil {
				r.t.Errorf("record: %v", err)
			}
		})
		got := r.delivery(held.ID)
		// The second one was a stray. The endpoint has the event, so it is delivered.
		want := event.Apply(event.Apply(held, rivals[0]), rivals[1])
		sameDelivery(r.t, got.Delivery, want)
		if len(got.Attempts) != 2 || got.Attempts[0].Number != 1 || got.Attempts[1].Number != 2 {
			r.t.Errorf("attempts %+v are on record, want two with the numbers 1 and 2", got.Attempts)
		}
	}
}

// If an event arrives before the deletion, its delivery is cancelled with the subscription. If it
// arrives later, it is refused or its delivery is never claimed.
func deleteTogether(r rig) {
	s := r.subscribe()
	together(9, func(i int) {
		if i == 8 {
			if err := r.s.DeleteSubscription(r.t.Context(), s.ID, r.tick(), 0); err != nil {
				r.t.Errorf("delete: %v", err)
			}
			return
		}
		for range 20 {
			_, err := r.s.Accept(r.t.Context(), r.offer(s.ID))
			if errors.Is(err, event.ErrUnavailable) {
				r.t.Errorf("accept during a deletion: %v", err)
			}
		}
	})
	if got := r.claim(asOf(r.now.Add(time.Hour))); len(got.Deliveries) > 0 || got.More {
		r.t.Errorf("claimed %d deliveries of a deleted subscription", len(got.Deliveries))
	}
}

// readWhole reads a delivery repeatedly while its attempts are recorded.
func readWhole(r rig) {
	s := r.subscribe()
	id := r.accept(s.ID).Deliveries[0].ID
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				got, err := r.s.Delivery(r.t.Context(), id)
				if err != nil || len(got.Attempts) != got.Delivery.Attempts {
					r.t.Errorf("read a delivery of %d attempts with %d on record (%v)", got.Delivery.Attempts, len(got.Attempts), err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	d := r.delivery(id).Delivery
	for range 50 {
		settled := event.Settle(d, failure(), event.Exponential(time.Second, 100), r.tick(), 0.5)
		r.record(settled)
		d = settled.Delivery
	}
	close(done)
	readers.Wait()
}
