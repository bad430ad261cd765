package store

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// The following interfaces are optional for a driver. Callers use them on the driver itself,
// because Cached and Sealed do not implement them.

// Listener is a driver through which nodes can send each other hints. The driver for PostgreSQL
// is one; on SQLite there is no other node.
type Listener interface {
	// Listen calls h with the hints of all nodes, including this one. It reconnects when
	// necessary and returns nil when ctx ends.
	Listen(ctx context.Context, h Hints) error
	// TellBehind tells all nodes whether this one is behind with a subscription, see Hints. It
	// does not block, and drops the hint if it can't be sent.
	TellBehind(subscription event.ID, is bool)
}

// Hints are the functions to call for each kind of hint. They must not block. A hint may be sent
// without a reason, and may be lost.
type Hints struct {
	// Due is called when deliveries may be due that no node has leased.
	Due func()
	// Changed is called with the id of a subscription that may have changed. A zero id means
	// any subscription.
	Changed func(subscription event.ID)
	// Behind is called with true when a subscription has more due deliveries than a worker has
	// capacity for although the endpoint keeps up, and with false when there is capacity again.
	Behind func(subscription event.ID, is bool)
}

// Clock is a driver whose database has a clock of its own, by which nodes compare leases
// and due times. The driver for PostgreSQL is one; SQLite uses the machine's clock.
type Clock interface {
	// ClockOffset returns how far the database's clock was ahead of this machine's when it was
	// last measured. It is negative if this machine is ahead. ClockOffset does not access the
	// database.
	ClockOffset() time.Duration
}

// Identity is a driver that can identify its database, so that several nodes know that they
// share it. The driver for PostgreSQL is one; only one process uses a SQLite database.
type Identity interface {
	// Identity returns the same text on every node, for as long as the database exists. A
	// copy of the database's files has the same identity.
	Identity(ctx context.Context) (string, error)
}
