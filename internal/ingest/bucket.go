package ingest

import (
	"sync"
	"time"
)

// bucket limits a rate. It is a token bucket that holds the tokens of one second, but at least
// one. Its zero value is full.
type bucket struct {
	mu    sync.Mutex
	taken float64   // how many tokens are missing
	at    time.Time // when taken was right
}

// take takes a token, and reports whether there was one.
func (b *bucket) take(now time.Time, perSecond float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if since := now.Sub(b.at).Seconds(); since > 0 {
		b.taken = max(0, b.taken-since*perSecond)
		b.at = now
	}
	if b.taken+1 > max(perSecond, 1) {
		return false
	}
	b.taken++
	return true
}
