package demo

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/terminal"
)

// account is what became of every event: what the service says, beside what the
// demonstration saw itself.
type account struct {
	endpoints []endpoint
	entries   []entry
	counted   map[string]int // deliveries by status, as the service's database counts them
	requests  int            // that came to the receivers
	unproven  int            // of these, without a right signature
	strays    int            // requests to where nobody may come
	unknown   int            // events that came and were never accepted
	refusals  refusals
	took      []time.Duration // of the timed webhooks, sorted
	patience  time.Duration   // how long the service waited for the endpoint that hangs
}

// entry is one accepted event.
type entry struct {
	receiver int
	data     [sha256.Size]byte // of what was sent
	delivery client.Delivery   // as the service tells it
	seen     reception         // as the receivers saw it; zero if it never came
}

// audit asks the service about every accepted event.
func (d *demo) audit(ctx context.Context) (account, error) {
	s, err := d.standing(ctx)
	if err != nil {
		return account{}, err
	}
	a := account{endpoints: s.endpoints, counted: s.counted, refusals: d.refusals, took: s.took, patience: d.pace.patience}
	d.ledger.close(&a)
	if err := d.readDeliveries(ctx, a.entries); err != nil {
		return account{}, err
	}
	return a, nil
}

// close copies what the ledger holds.
func (l *ledger) close(a *account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	accepted := map[string]bool{}
	for _, p := range l.accepted {
		e := entry{receiver: p.receiver, data: p.data, delivery: client.Delivery{ID: p.receipt.DeliveryID}}
		if r := l.seen[p.receipt.EventID]; r != nil {
			e.seen = *r
		}
		a.entries = append(a.entries, e)
		accepted[p.receipt.EventID] = true
	}
	for id := range l.seen {
		if !accepted[id] {
			a.unknown++
		}
	}
	for _, t := range l.tallies {
		a.requests += t.requests
	}
	a.unproven, a.strays = l.unproven, l.strays
}

// readDeliveries fills in the deliveries, over the API.
func (d *demo) readDeliveries(ctx context.Context, entries []entry) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var group sync.WaitGroup
	for range senders {
		group.Go(func() {
			for i := int(next.Add(1) - 1); i < len(entries) && ctx.Err() == nil; i = int(next.Add(1) - 1) {
				delivery, err := d.client.Delivery(ctx, entries[i].delivery.ID)
				if err != nil {
					cancel(fmt.Errorf("ask what became of delivery %s: %w", entries[i].delivery.ID, err))
					return
				}
				entries[i].delivery = delivery
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// statuses are those of the account, in the order in which it names them.
var statuses = []string{client.Delivered, client.Failed, client.Pending, client.Cancelled}

// told counts the deliveries by the status that each one has.
func (a account) told() map[string]int {
	told := map[string]int{}
	for _, e := range a.entries {
		told[e.delivery.Status]++
	}
	return told
}

// faults is everything that does not add up, in sentences; none if all is well.
func (a account) faults() []string {
	return slices.Concat(a.sumFaults(), a.entryFaults(), a.requestFaults(), a.refusals.faults())
}

// sumFaults compares the sums.
func (a account) sumFaults() (faults []string) {
	told, sum, counted := a.told(), 0, 0
	for _, status := range statuses {
		sum += told[status]
		counted += a.counted[status]
		if told[status] != a.counted[status] {
			faults = append(faults, fmt.Sprintf("%d deliveries say that they are %s, but the database counts %d", told[status], status, a.counted[status]))
		}
	}
	if accepted := len(a.entries); sum != accepted || counted != accepted {
		faults = append(faults, fmt.Sprintf("%s accepted, but there are %d deliveries, and the database counts %d", terminal.Number(accepted, "event")+" were", sum, counted))
	}
	return faults
}

// entryFaults looks at each event. Faults of one kind are told once, with the
// first delivery as an example.
func (a account) entryFaults() (faults []string) {
	count, example := map[string]int{}, map[string]string{}
	for _, e := range a.entries {
		for _, kind := range e.faults(a.endpoints[e.receiver]) {
			if count[kind]++; count[kind] == 1 {
				example[kind] = e.delivery.ID
			}
		}
	}
	for kind, n := range count {
		faults = append(faults, fmt.Sprintf("%s %s, for example delivery %s", terminal.Number(n, "event"), kind, example[kind]))
	}
	slices.SortFunc(faults, cmp.Compare[string])
	return faults
}

// faults is what is wrong with one event, each to follow its number.
func (e entry) faults(at endpoint) (kinds []string) {
	status := e.delivery.Status
	if status == client.Delivered && e.seen.taken == 0 {
		kinds = append(kinds, "lost: counted as delivered, but taken by no receiver")
	}
	if e.seen.requests > 0 && (e.seen.altered || e.seen.data != e.data) {
		kinds = append(kinds, "altered: what came is not what was sent")
	}
	if e.seen.requests > 0 && (e.seen.strayed || e.seen.receiver != e.receiver) {
		kinds = append(kinds, "led astray: sent to another endpoint than its subscription's")
	}
	if status != at.ends && status != client.Pending {
		kinds = append(kinds, fmt.Sprintf("%s at %s, where they should be %s", status, at.name, at.ends))
	}
	return kinds
}

func (a account) requestFaults() (faults []string) {
	if a.unproven > 0 {
		faults = append(faults, fmt.Sprintf("of %d requests, %d had no right signature", a.requests, a.unproven))
	}
	if a.strays > 0 {
		faults = append(faults, fmt.Sprintf("a redirect was followed: %s came to where nobody should", terminal.Number(a.strays, "request")))
	}
	if a.unknown > 0 {
		faults = append(faults, fmt.Sprintf("%s came that the service had not accepted", terminal.Number(a.unknown, "event")))
	}
	return faults
}

// duplicates is how many events a receiver took more than once.
func (a account) duplicates() (n int) {
	for _, e := range a.entries {
		if e.seen.taken > 1 {
			n++
		}
	}
	return n
}
