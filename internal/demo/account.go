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

// account is what became of every event, according to the service and according to the endpoints of
// the demo.
type account struct {
	endpoints  []endpoint
	entries    []entry
	counted    map[string]int // deliveries by status, counted by the database
	requests   int            // requests that arrived at the endpoints
	unsigned   int            // requests without a valid signature
	redirected int            // requests to the target of the redirect
	unknown    int            // events that arrived but were never accepted
	refusals   refusals
	took       []time.Duration // latencies of the timed webhooks, sorted
	patience   time.Duration   // timeout of requests to the endpoint that hangs
}

// entry is one accepted event.
type entry struct {
	endpoint int
	data     [sha256.Size]byte // the hash of the data that was published
	delivery client.Delivery   // according to the service
	seen     reception         // according to the endpoints; zero if it never arrived
}

// audit asks the service about every accepted event.
func (d *demo) audit(ctx context.Context) (account, error) {
	s, err := d.snapshot(ctx)
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

// close copies the content of the ledger.
func (l *ledger) close(a *account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	accepted := map[string]bool{}
	for _, p := range l.accepted {
		e := entry{endpoint: p.endpoint, data: p.data, delivery: client.Delivery{ID: p.receipt.DeliveryID}}
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
	a.unsigned, a.redirected = l.unsigned, l.redirected
}

// readDeliveries reads the deliveries over the API.
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

// statuses are the statuses of deliveries, in the order of the tally.
var statuses = []string{client.Delivered, client.Failed, client.Pending, client.Cancelled}

// reportedCounts counts the deliveries by the status that the API reports.
func (a account) reportedCounts() map[string]int {
	reportedCounts := map[string]int{}
	for _, e := range a.entries {
		reportedCounts[e.delivery.Status]++
	}
	return reportedCounts
}

// faults returns a sentence for everything that does not add up.
func (a account) faults() []string {
	return slices.Concat(a.sumFaults(), a.entryFaults(), a.requestFaults(), a.refusals.faults())
}

// sumFaults compares the counts of the API with those of the database.
func (a account) sumFaults() (faults []string) {
	reportedCounts, sum, counted := a.reportedCounts(), 0, 0
	for _, status := range statuses {
		sum += reportedCounts[status]
		counted += a.counted[status]
		if reportedCounts[status] != a.counted[status] {
			faults = append(faults, fmt.Sprintf("%d deliveries are %s according to the API, but the database counts %d", reportedCounts[status], status, a.counted[status]))
		}
	}
	if accepted := len(a.entries); sum != accepted || counted != accepted {
		faults = append(faults, fmt.Sprintf("%s accepted, but the API reports %d deliveries, and the database counts %d", terminal.Number(accepted, "event")+" were", sum, counted))
	}
	return faults
}

// entryFaults checks each event. It reports each kind of fault once, with its first delivery as an
// example.
func (a account) entryFaults() (faults []string) {
	count, example := map[string]int{}, map[string]string{}
	for _, e := range a.entries {
		for _, kind := range e.faults(a.endpoints[e.endpoint]) {
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

// faults returns what is wrong with an event, in phrases that follow the number of such events.
func (e entry) faults(at endpoint) (kinds []string) {
	status := e.delivery.Status
	if status == client.Delivered && e.seen.successes == 0 {
		kinds = append(kinds, "lost: counted as delivered, but no endpoint accepted it")
	}
	if e.seen.requests > 0 && (e.seen.altered || e.seen.data != e.data) {
		kinds = append(kinds, "altered: the data that arrived is not the data that was published")
	}
	if e.seen.requests > 0 && (e.seen.misdelivered || e.seen.endpoint != e.endpoint) {
		kinds = append(kinds, "misdelivered: sent to the endpoint of another subscription")
	}
	if status != at.finalStatus && status != client.Pending {
		kinds = append(kinds, fmt.Sprintf("%s at %s, but expected to be %s", status, at.name, at.finalStatus))
	}
	return kinds
}

func (a account) requestFaults() (faults []string) {
	if a.unsigned > 0 {
		faults = append(faults, fmt.Sprintf("%d requests arrived, of which %d had no valid signature", a.requests, a.unsigned))
	}
	if a.redirected > 0 {
		faults = append(faults, fmt.Sprintf("a redirect was followed: %s arrived at its target", terminal.Number(a.redirected, "request")))
	}
	if a.unknown > 0 {
		faults = append(faults, fmt.Sprintf("%s arrived that the service had not accepted", terminal.Number(a.unknown, "event")))
	}
	return faults
}

// duplicates returns how many events an endpoint accepted more than once.
func (a account) duplicates() (n int) {
	for _, e := range a.entries {
		if e.seen.successes > 1 {
			n++
		}
	}
	return n
}
