package store

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// What follows are the powers that a driver may have beside Store. Whoever uses one asks
// the driver itself for it: no decorator passes it on.

// Listener is a driver whose database tells nodes of each other's changes. The driver for
// PostgreSQL is one; on SQLite there is no other node.
type Listener interface {
	// Listen passes on what nodes tell each other, this one included. It returns nil when ctx
	// ends, and connects again by itself until then.
	Listen(ctx context.Context, h Hints) error
	// TellBehind tells all nodes whether this one is behind with a subscription, see Hints. It
	// does not block, and what can't be said is not said.
	TellBehind(subscription event.ID, is bool)
}

// Hints are called with what nodes tell each other. The calls must not block. One may come
// without a reason, and one may be lost.
type Hints struct {
	// Due is called when deliveries may be due that no node has leased.
	Due func()
	// Changed is called with the id of a subscription that may have changed; a zero id means
	// any.
	Changed func(subscription event.ID)
	// Behind is called when more of a subscription's deliveries wait than a node that keeps up
	// with its endpoint has capacity for, and with false when there is capacity again.
	Behind func(subscription event.ID, is bool)
}

// Clock is a driver whose database has a clock of its own, by which nodes compare leases
// and due times. The driver for PostgreSQL is one; SQLite uses the machine's clock.
type Clock interface {
	// ClockOffset returns how far the database's clock is ahead of this machine's, as it
	// was last measured. It asks no server. It is negative if this machine is ahead.
	ClockOffset() time.Duration
}

// Identity is a driver that can tell its database from all others, so that several nodes
// know that they share one. The driver for PostgreSQL is one; only one process uses a
// SQLite database.
type Identity interface {
	// Identity returns the same text on every node, for as long as the database exists. A
	// copy of the database's files has the same identity.
	Identity(ctx context.Context) (string, error)
}
