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
	// firstTurn is how long a name server may be silent before the next one is asked. It
	// is far below the 5 s of resolv.conf, all of which would go by for each name of the
	// search list.
	firstTurn = time.Second

	// turns is how many turns fit into an attempt at least: resolv.conf has up to three
	// servers, each is asked twice, and time is left to connect.
	turns = 8

	// familyDelay is how long the addresses of one family wait for those of the other
	// (RFC 8305, section 3, the resolution delay).
	familyDelay = 50 * time.Millisecond
)

// question is how a name is looked up: how patient net.Resolver's exchanges with name
// servers are. It knows which questions about one name belong together, those for each family.
type question struct {
	turn  time.Duration // how long a server may be silent
	delay time.Duration // how long one family waits for the other; 0 is without a limit
	hasty bool          // servers that were silent lately are not asked

	mu    sync.Mutex
	used  bool // it went to a name server, and not to a file or with somebody else's question
	cut   bool // one family was not waited for
	pairs map[string]*pair
}

// pair is the questions about one name of the search list.
type pair struct {
	known time.Time // when the first answer came that makes the other one dispensable
	gone  bool      // it was that there is no such name
	open  []*inquiry
}

type questionKey struct{}

func asking(ctx context.Context, q *question) context.Context {
	return context.WithValue(ctx, questionKey{}, q)
}

func newQuestion(ctx context.Context) *question {
	q := &question{turn: firstTurn, delay: familyDelay, hasty: true, pairs: make(map[string]*pair)}
	if deadline, ok := ctx.Deadline(); ok {
		q.turn = max(min(q.turn, time.Until(deadline)/turns), time.Millisecond)
	}
	return q
}

// again is the question after one that no server answered. It asks all of them, and waits
// for each, and for the second family, longer.
func (q *question) again() *question {
	next := &question{turn: 2 * q.turn, delay: 2 * q.turn, pairs: make(map[string]*pair)}
	if q.hasty {
		next.turn, next.delay = q.turn, q.turn
	}
	return next
}

// patient waits for both families.
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

// begin is when a question goes out.
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
		i.hurry(p.known.Add(q.delay))
	}
}

// hear is when an answer has come. It bounds how long the other question waits.
func (q *question) hear(from *inquiry, gone bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.delay == 0 || !from.pair.known.IsZero() {
		return
	}
	from.pair.known, from.pair.gone = time.Now(), gone
	for _, other := range from.pair.open {
		if other != from {
			other.hurry(from.pair.known.Add(q.delay))
		}
	}
}

// giveUp says why a question is not waited for any longer.
func (q *question) giveUp(i *inquiry) error {
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

// end is when nothing waits for an answer any longer.
func (q *question) end(i *inquiry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i.pair == nil {
		return
	}
	i.pair.open = slices.DeleteFunc(i.pair.open, func(one *inquiry) bool { return one == i })
}

// nameIn is the name that a query asks for, as it is on the wire: labels up to an empty one
// (RFC 1035, section 4.1.2).
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
