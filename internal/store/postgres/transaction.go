package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hookferry/hookferry/internal/event"
)

// transaction writes one batch. Its statements are sent together in one round trip, which
// makes them an implicit transaction that commits at the end of the trip. Idempotency keys
// need another round trip, and therefore BEGIN and COMMIT.
type transaction struct {
	conn   *pgx.Conn
	clock  *clock
	next   *pgx.Batch // the statements that are not sent yet
	in     writes     // the statements to use
	begun  bool       // BEGIN was sent
	stored int        // how many deliveries were stored as due and unclaimed
	strays bool       // some settlements did not pass the fence and were not written
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
	twins.resolve()
	return nil
}

// send writes the new acceptances and the settlements, and commits. missing means that some
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
				return fmt.Errorf("the database responded to COMMIT with %s", tag)
			}
			return nil
		})
	}
	return missing, t.flush(ctx)
}

// flush sends the queued statements and reads the results.
func (t *transaction) flush(ctx context.Context) error {
	b := t.next
	t.next = &pgx.Batch{}
	return t.conn.SendBatch(ctx, b).Close()
}

// rollback makes the connection usable again, or closes it, so that the pool drops it.
func (t *transaction) rollback(ctx context.Context) {
	if t.conn.IsClosed() || t.conn.PgConn().TxStatus() == 'I' {
		return
	}
	if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil && !errors.Is(err, context.Canceled) {
		_ = t.conn.Close(ctx)
	}
}
