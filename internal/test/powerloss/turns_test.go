package powerloss

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
)

// turns lets one goroutine continue at a time, in an order that the seed determines. Each waits for
// its turn before it does anything that others could see, so the same seed leads to the same
// recording.
type turns struct {
	r       *rand.Rand
	arrived chan struct{}
	over    chan struct{} // closed by end: then no call waits

	mu      sync.Mutex
	waiting []turn
}

type turn struct {
	who   string
	comes chan struct{} // closed at the turn of this one
}

func newTurns(r *rand.Rand) *turns {
	return &turns{r: r, arrived: make(chan struct{}, 1), over: make(chan struct{})}
}

// wait returns when it is the caller's turn.
func (t *turns) wait(who string) {
	own := turn{who, make(chan struct{})}
	t.mu.Lock()
	t.waiting = append(t.waiting, own)
	t.mu.Unlock()
	select {
	case t.arrived <- struct{}{}:
	default:
	}
	select {
	case <-own.comes:
	case <-t.over:
	}
}

// run gives turns until end.
func (t *turns) run() {
	for {
		synctest.Wait() // until all goroutines wait for a turn, or for one that does
		if next, found := t.draw(); found {
			close(next.comes)
			continue
		}
		select {
		case <-t.arrived:
		case <-t.over:
			return
		}
	}
}

func (t *turns) draw() (turn, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		return turn{}, false
	}
	slices.SortFunc(t.waiting, func(a, b turn) int { return cmp.Compare(a.who, b.who) })
	i := t.r.IntN(len(t.waiting))
	next := t.waiting[i]
	t.waiting = slices.Delete(t.waiting, i, i+1)
	return next, true
}

func (t *turns) end() { close(t.over) }
