package store

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// RefusalLasts is how long DiskSpace remembers that a write found the disk full. The time is
// limited because a service that reports a full disk receives no events. Without events it
// writes nothing, and would never find out that there is free disk space again.
const RefusalLasts = 10 * time.Second

// DiskSpace remembers whether the last write of a driver found free disk space, so that a health
// check needs no write. The zero DiskSpace has free disk space.
type DiskSpace struct{ refused atomic.Pointer[refusal] }

type refusal struct {
	err error
	at  time.Time
}

// Wrote records the result of a write that changed something. An error that is not about disk
// space is ignored.
func (d *DiskSpace) Wrote(err error) {
	switch {
	case errors.Is(err, event.ErrFull):
		d.refused.Store(&refusal{err, time.Now()})
	case err == nil && d.refused.Load() != nil:
		d.refused.Store(nil)
	}
}

// Err returns the error of the last write if it found no free disk space, or nil.
func (d *DiskSpace) Err() error {
	if last := d.refused.Load(); last != nil && time.Since(last.at) < RefusalLasts {
		return last.err
	}
	return nil
}
