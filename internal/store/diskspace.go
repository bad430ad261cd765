package store

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// RefusalLasts is how long a write that found the disk full speaks for the next one. It
// must end by itself: a service that says it is full gets no events, and so would not find
// out that there is free disk space again.
const RefusalLasts = 10 * time.Second

// DiskSpace remembers whether the last write of a driver found free disk space, so that a
// question about the store's health needs no write. In the zero DiskSpace there is some.
type DiskSpace struct{ refused atomic.Pointer[refusal] }

type refusal struct {
	err error
	at  time.Time
}

// Wrote is told how a write that changed something ended. An error that is not about
// disk space changes nothing.
func (d *DiskSpace) Wrote(err error) {
	switch {
	case errors.Is(err, event.ErrFull):
		d.refused.Store(&refusal{err, time.Now()})
	case err == nil && d.refused.Load() != nil:
		d.refused.Store(nil)
	}
}

// Err is why the last write found no free disk space, or nil.
func (d *DiskSpace) Err() error {
	if last := d.refused.Load(); last != nil && time.Since(last.at) < RefusalLasts {
		return last.err
	}
	return nil
}
