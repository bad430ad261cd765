package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/test/await"
)

// The settings for attempts: four of them within about five seconds.
const (
	schedule = "WEBHOOK_RETRY_SCHEDULE=1s,1s,2s"
	attempts = 4
)

// row is a delivery in the database, with its attempts.
type row struct {
	Event, Delivery, Subscription string
	Status                        int
	Attempts                      int // all recorded attempts
	Steps                         int // of those, how many used a retry of the schedule
	Lease                         string
	Settled                       bool
	OnRecord                      int // attempts that have a row
	Numbers                       int // of those, the number of different numbers from 1 to Attempts
	Answered                      int // of those, how many got a response
	Taken                         int // of those, how many succeeded
}

// The values of the column status.
const (
	isPending   = 0
	isDelivered = 1
	isFailed    = 2
)

const rowsSQL = `SELECT d.event_id::text AS event, d.id::text AS delivery, d.subscription_id::text AS subscription,
		d.status, d.attempts, d.attempts - d.round_from AS steps, coalesce(d.lease_owner || ' until ' || d.leased_until, '') AS lease, d.settled_at IS NOT NULL AS settled,
		count(a.id) AS on_record, count(DISTINCT a.attempt_number) FILTER (WHERE a.attempt_number BETWEEN 1 AND d.attempts) AS numbers,
		count(a.id) FILTER (WHERE a.status_code <> 0) AS answered, count(a.id) FILTER (WHERE a.code = '') AS taken
	FROM deliveries d LEFT JOIN delivery_attempts a ON a.delivery_id = d.id
	WHERE d.subscription_id = ANY($1::uuid[]) GROUP BY d.id`

// wrong says what is wrong with a settled delivery, given what the endpoint saw.
func (r row) wrong(kind string, saw sight) string {
	switch {
	case r.Status == isPending:
		return "it is still pending"
	case r.Lease != "":
		return "it is settled and leased"
	case !r.Settled:
		return "it has no time of settling"
	case kind == doomed && r.Status != isFailed, kind == doomed && r.Steps != attempts:
		return "the endpoint took no attempt, so it must have failed after all of them"
	case kind != doomed && r.Status != isDelivered:
		return "the endpoint takes it, so it must be delivered"
	case r.Status == isDelivered && (saw.taken == 0 || r.Taken == 0):
		return "it is delivered without a success"
	case r.Numbers != r.Attempts || r.OnRecord != r.Attempts:
		return "the attempts on record are not those that are counted, each with a number of its own"
	case saw.requests < r.Answered || saw.taken < r.Taken:
		return "there are more attempts on record than were made"
	}
	return ""
}

// duplicates returns how often the endpoint was called in vain: after it had accepted the event, or
// more often than necessary.
func duplicates(kind string, saw sight) int {
	if kind == doomed {
		return max(0, saw.requests-attempts)
	}
	return max(0, saw.taken-1)
}

// settle waits until nothing of a load is pending or leased.
func (l *load) settle() {
	l.c.t.Helper()
	l.resume()
	of := slices.Collect(maps.Keys(l.kinds))
	deadline := time.Now().Add(await.Patience)
	for {
		n := l.c.number(`SELECT count(*) FROM deliveries WHERE status = 0 AND subscription_id = ANY($1::uuid[])`, of)
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			l.c.t.Errorf("after %v %d deliveries are still pending", await.Patience, n)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	if leased := l.c.leased(); leased != "" {
		l.c.t.Errorf("nothing is pending, and leased is %s", leased)
	}
}

// offer names a delivery by its event and its subscription.
type offer struct{ event, subscription string }

// tally are the counts of a settled load.
type tally struct {
	acknowledged, stored int
	requests             int // that the endpoints saw
	duplicates           int
	twice                int // of them, how many are recorded as a second success; of the others, the first success is not recorded
}

// balance compares the rows of a load with what the endpoints saw.
func (l *load) balance() (sum tally) {
	l.c.t.Helper()
	rows := query(l.c, pgx.RowToStructByName[row], rowsSQL, slices.Collect(maps.Keys(l.kinds)))
	var found findings
	stored := map[offer]row{}
	for _, r := range rows {
		stored[offer{r.Event, r.Subscription}] = r
		kind := l.kinds[r.Subscription]
		saw := l.receiver.of(r.Event, kind)
		if wrong := r.wrong(kind, saw); wrong != "" {
			found.add("%s: %s: %+v, and the endpoint saw %+v", kind, wrong, r, saw)
		}
		sum.requests += saw.requests
		sum.duplicates += duplicates(kind, saw)
		sum.twice += max(0, r.Taken-1)
	}
	for id, subscriptions := range l.acknowledged {
		for _, subscription := range subscriptions {
			kind := l.kinds[subscription]
			if r, ok := stored[offer{id, subscription}]; !ok || l.receiver.of(id, kind).requests == 0 {
				found.add("%s: event %s was acknowledged and never came: %+v", kind, id, r)
			}
		}
	}
	if n := l.receiver.deliveries(slices.Collect(maps.Values(l.kinds))); n != len(rows) {
		found.add("%d deliveries are stored, and the endpoints saw %d different ones", len(rows), n)
	}
	if len(found) > 0 {
		l.c.t.Errorf("%d things are wrong, such as:\n  %s", len(found), strings.Join(found[:min(20, len(found))], "\n  "))
	}
	sum.acknowledged, sum.stored = len(l.acknowledged), len(rows)
	return sum
}

// findings are sentences about what is wrong.
type findings []string

func (f *findings) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }
