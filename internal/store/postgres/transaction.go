package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hookferry/hookferry/internal/event"
)

// transaction is a batch on its way to the disk. Its statements are sent together in one
// round trip, which makes them one transaction without a word about it: it is committed
// where the trip ends. Idempotency keys need a trip more, and with it BEGIN and COMMIT.
type transaction struct {
	conn   *pgx.Conn
	clock  *clock
	next   *pgx.Batch // what is not sent yet
	in     writes     // its statements
	begun  bool       // by BEGIN
	stored int        // deliveries that were stored as due and held by nobody
	strays bool       // some settlements did not pass the fence, and are not written
}

func (t *transaction) write(ctx context.Context, batch []*op) error {
	for _, o := range batch {
		o.err, o.keyHash = nil, nil
		if o.settlements == nil {
			o.receipt = o.acceptance.Receipt()
		}
	}
	twins, err := t.keys(ctx, batch)
	if err != nil {
		return err
	}
	missing, err := t.send(ctx, batch)
	if err != nil {
		return err
	}
	if missing {
		if err := t.findRefused(ctx, batch); err != nil {
			return err
		}
	}
	twins.answer()
	return nil
}

// send writes what is left to be written, and commits. missing says that some
// acceptances were refused.
func (t *transaction) send(ctx context.Context, batch []*op) (missing bool, err error) {
	var fresh []*op
	var settlements []*event.Settlement
	for _, o := range batch {
		if o.fresh() {
			fresh = append(fresh, o)
		}
		for i := range o.settlements {
			settlements = append(settlements, &o.settlements[i])
		}
	}
	if len(fresh) > 0 {
		t.insert(fresh).Exec(func(tag pgconn.CommandTag) error {
			missing = int(tag.RowsAffected()) < len(fresh)
			return nil
		})
	}
	t.settle(settlements)
	if t.begun {
		t.next.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
			if tag.String() != "COMMIT" {
				return fmt.Errorf("the database answered COMMIT with %s", tag)
			}
			return nil
		})
	}
	return missing, t.flush(ctx)
}

// flush sends what is queued and reads the answers.
func (t *transaction) flush(ctx context.Context) error {
	b := t.next
	t.next = &pgx.Batch{}
	return t.conn.SendBatch(ctx, b).Close()
}

// rollback leaves the connection usable; if it is not, the pool drops it.
func (t *transaction) rollback(ctx context.Context) {
	if t.conn.IsClosed() || t.conn.PgConn().TxStatus() == 'I' {
		return
	}
	if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil && !errors.Is(err, context.Canceled) {
		_ = t.conn.Close(ctx)
	}
}
