package store

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// RefusalLasts is for how long a write that found no room speaks for the next one. It
// must end by itself: where nobody sends events to a service that says it can't take
// any, nobody would find out that there is room again.
const RefusalLasts = 10 * time.Second

// Room remembers whether the last write of a driver found room on the disk, so that
// whoever asks how the store is needn't write to find out. The zero Room has room.
type Room struct{ refused atomic.Pointer[refusal] }

type refusal struct {
	err error
	at  time.Time
}

// Wrote is told how a write that changed something ended. An error that is not about
// room says nothing about it.
func (r *Room) Wrote(err error) {
	switch {
	case errors.Is(err, event.ErrFull):
		r.refused.Store(&refusal{err, time.Now()})
	case err == nil && r.refused.Load() != nil:
		r.refused.Store(nil)
	}
}

// Err is why the last write found no room, or nil.
func (r *Room) Err() error {
	if last := r.refused.Load(); last != nil && time.Since(last.at) < RefusalLasts {
		return last.err
	}
	return nil
}
