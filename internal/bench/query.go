package bench

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/hookferry/hookferry/client"
)

// queries are status queries during a load.
type queries struct {
	took   histogram
	failed atomic.Int64
}

// query reads deliveries that are already in the database, at the load's rate, until stop is
// called. If there are none, it reads nothing and returns nil.
func (o Options) query(ctx context.Context, s subject) (q *queries, stop func()) {
	if o.Load.Queries == 0 || len(s.sampleIDs) == 0 {
		return nil, func() {}
	}
	c, err := client.New(s.url, client.WithKey(o.Key))
	if err != nil {
		return nil, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	q = &queries{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer c.CloseIdleConnections()
		ticks := time.NewTicker(time.Second / time.Duration(o.Load.Queries))
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
			}
			begun := time.Now()
			_, err := c.Delivery(ctx, s.sampleIDs[rand.IntN(len(s.sampleIDs))])
			switch {
			case ctx.Err() != nil:
			case err != nil:
				q.failed.Add(1)
			default:
				q.took.add(time.Since(begun))
			}
		}
	}()
	return q, func() { cancel(); <-ended }
}
