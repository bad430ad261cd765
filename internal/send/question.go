package send

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// firstTurn is how long to wait for a name server before the next one is asked. It is much
	// shorter than the 5 s of resolv.conf, which would pass for each name of the search list.
	firstTurn = time.Second

	// turns is the minimum number of turns that fit into an attempt: resolv.conf has up to
	// three servers, each is asked twice, and there must be time left to connect.
	turns = 8

	// familyDelay is how long the addresses of one family wait for those of the other
	// (RFC 8305, section 3, the resolution delay).
	familyDelay = 50 * time.Millisecond
)

// question is one lookup of a name. It says how long net.Resolver's queries to name servers
// wait, and pairs the queries for the two address families of each name.
type question struct {
	turn  time.Duration // how long to wait for a server
	delay time.Duration // how long one family waits for the other; 0: no limit
	hasty bool          // skip servers that were silent lately

	mu    sync.Mutex
	used  bool // a name server was asked; false if a file or a merged lookup had the answer
	cut   bool // a late family was not waited for
	pairs map[string]*pair
}

// pair is the queries about one name of the search list.
type pair struct {
	known time.Time // when the first answer came that limits the wait for the other
	gone  bool      // that answer was that the name does not exist
	open  []*inquiry
}

type questionKey struct{}

func withQuestion(ctx context.Context, q *question) context.Context {
	return context.WithValue(ctx, questionKey{}, q)
}

func newQuestion(ctx context.Context) *question {
	q := &question{turn: firstTurn, delay: familyDelay, hasty: true, pairs: make(map[string]*pair)}
	if deadline, ok := ctx.Deadline(); ok {
		q.turn = max(min(q.turn, time.Until(deadline)/turns), time.Millisecond)
	}
	return q
}

// again returns the question to ask after one that no server answered. It asks all servers, and
// waits longer for each of them and for the second family.
func (q *question) again() *question {
	next := &question{turn: 2 * q.turn, delay: 2 * q.turn, pairs: make(map[string]*pair)}
	if q.hasty {
		next.turn, next.delay = q.turn, q.turn
	}
	return next
}

// patient makes the question wait for both families and skip no server.
func (q *question) patient() *question {
	q.delay, q.hasty = 0, false
	return q
}

// isPartial reports whether one family may be missing.
func (q *question) isPartial(found []netip.Addr) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, addr := range found {
		if addr.Unmap().Is4() != found[0].Unmap().Is4() {
			return false
		}
	}
	return len(found) > 0 && (q.cut || !q.used)
}

// begin records that a query is sent.
func (q *question) begin(i *inquiry, name []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used = true
	p := q.pairs[string(name)]
	if p == nil {
		p = &pair{}
		q.pairs[string(name)] = p
	}
	p.open = append(p.open, i)
	i.pair = p
	if !p.known.IsZero() && q.delay > 0 {
		i.limit(p.known.Add(q.delay))
	}
}

// answered records an answer. It limits how long the other query of the pair waits.
func (q *question) answered(from *inquiry, gone bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.delay == 0 || !from.pair.known.IsZero() {
		return
	}
	from.pair.known, from.pair.gone = time.Now(), gone
	for _, other := range from.pair.open {
		if other != from {
			other.limit(from.pair.known.Add(q.delay))
		}
	}
}

// timeoutError returns the error for a query whose deadline has passed.
func (q *question) timeoutError(i *inquiry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case i.pair.known.IsZero():
		return os.ErrDeadlineExceeded
	case i.pair.gone:
		return errNoSuchName
	}
	q.cut = true
	return os.ErrDeadlineExceeded
}

// end records that a query is over.
func (q *question) end(i *inquiry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i.pair == nil {
		return
	}
	i.pair.open = slices.DeleteFunc(i.pair.open, func(one *inquiry) bool { return one == i })
}

// nameIn returns the name that a query asks for, in wire format: labels up to an empty one (RFC
// 1035, section 4.1.2).
func nameIn(query []byte) []byte {
	const header = 12
	if len(query) < header {
		return nil
	}
	if end := bytes.IndexByte(query[header:], 0); end >= 0 {
		return query[header : header+end]
	}
	return nil
}
