package ingest

import (
	"context"
	"sync"
)

// turn is a lock for calls of the store, which may take long: a caller stops waiting for it when
// its context ends. Its zero value is free.
type turn struct {
	once sync.Once
	held chan struct{} // has a value while the lock is held
}

// take takes the lock. Unless it returns an error, the caller calls leave.
func (t *turn) take(ctx context.Context) error {
	t.once.Do(func() { t.held = make(chan struct{}, 1) })
	select {
	case t.held <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *turn) leave() { <-t.held }
