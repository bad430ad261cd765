package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	// lateness is how far a node's clock may be behind the database's. Such a node still
	// creates ids in a window that is over, so the window is kept for this long. A clock that
	// is further behind causes extra work but no loss: a window with pending deliveries is
	// not dropped, and a missing window is created again.
	lateness = time.Hour
	// wholeFor is the time after the end of a window in which it is only dropped as a whole.
	// After that, some of its deliveries may stay pending for long, so settled ones are
	// deleted row by row.
	wholeFor = 24 * time.Hour
	// scanTime is how long it may take to read a whole window.
	scanTime = 10 * time.Minute
)

// settledWindow describes a window without pending deliveries. It is valid until the window is
// touched again, because every change to a settled delivery touches the window.
type settledWindow struct {
	rows    int
	latest  time.Time // when the last delivery settled
	touched time.Time // the time in window_touched when the window was read; zero: none
}

// dropPartitions drops the oldest window in which everything has settled before the given
// time, and returns the number of deliveries.
func (s *Store) dropPartitions(ctx context.Context, before time.Time) (int, error) {
	windows, err := s.partitions(ctx)
	if err != nil {
		return 0, err
	}
	touched, err := s.touchedWindows(ctx)
	if err != nil {
		return 0, err
	}
	now := s.clock.toDatabase(s.clock.localTime())
	for _, start := range windows {
		end := start.Add(window)
		if end.After(before) || end.After(now.Add(-lateness)) {
			return 0, nil // the others are younger
		}
		found, ok, err := s.settledWindow(ctx, start, touched[start])
		if err != nil {
			return 0, err
		}
		if !ok || !found.latest.Before(before) {
			continue
		}
		dropped, err := s.dropWindow(ctx, start, before)
		if err != nil {
			return 0, err
		}
		if dropped && found.rows > 0 {
			return found.rows, nil
		}
	}
	return 0, nil
}

// touchedWindows reads when each window was last touched; see touchWindow.
func (s *Store) touchedWindows(ctx context.Context) (map[time.Time]time.Time, error) {
	rows, err := s.pool.Query(ctx, `SELECT start, at FROM window_touched`)
	if err != nil {
		return nil, err
	}
	touched := make(map[time.Time]time.Time)
	var start, at time.Time
	_, err = pgx.ForEachRow(rows, []any{timeTo{&start}, timeTo{&at}}, func() error {
		touched[start] = at
		return nil
	})
	return touched, err
}

// settledWindow describes a window. It returns false if a delivery in it is pending. It scans the
// window once, and again only if the window was touched since.
func (s *Store) settledWindow(ctx context.Context, start, touched time.Time) (settledWindow, bool, error) {
	s.mu.Lock()
	found, ok := s.settled[start]
	s.mu.Unlock()
	if ok && found.touched.Equal(touched) {
		return found, true, nil
	}
	found = settledWindow{touched: touched}
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	var pending bool
	err := s.scan(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, pendingIn(start)).Scan(&pending)
		if err != nil || pending {
			return err
		}
		return tx.QueryRow(ctx, `SELECT count(*), max(settled_at) FROM deliveries`+suffix(start)).Scan(&found.rows, timeTo{&found.latest})
	})
	if sqlState(err) == undefinedTable { // another node has dropped it
		return settledWindow{}, false, nil
	}
	if err != nil || pending {
		return settledWindow{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled[start] = found
	return found, true, nil
}

// scan runs f in a transaction that may use sequential scans.
func (s *Store) scan(ctx context.Context, f func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL enable_seqscan = on`); err != nil {
			return err
		}
		return f(tx)
	})
}

const (
	undefinedTable   = "42P01"
	lockNotAvailable = "55P03"
)

// pendingIn returns a query that tells whether a window has pending deliveries. It uses the two
// indexes that contain only pending deliveries.
func pendingIn(start time.Time) string {
	table := "deliveries" + suffix(start)
	return `SELECT EXISTS (SELECT FROM ` + table + ` WHERE status = 0 AND lease_owner IS NULL)
		OR EXISTS (SELECT FROM ` + table + ` WHERE status = 0 AND lease_owner IS NOT NULL)`
}

// dropWindow drops a window unless it was touched since the given time.
func (s *Store) dropWindow(ctx context.Context, start, before time.Time) (dropped bool, err error) {
	err = s.inTx(ctx, quick, "drop a partition", func(ctx context.Context, tx pgx.Tx) error {
		dropped, err = dropInTx(ctx, tx, start, before)
		return err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.settled, start)
	}
	if sqlState(err) == lockNotAvailable {
		err = fmt.Errorf("%w: a long transaction is reading the partition of %s: %w", event.ErrUnavailable, start.Format(time.DateTime), err)
	}
	return dropped, err
}

const wasTouchedSQL = `SELECT EXISTS (SELECT FROM window_touched WHERE start = $1 AND at >= $2)`

// dropInTx drops a window. It does not wait long for a lock, because all other statements queue
// behind it.
func dropInTx(ctx context.Context, tx pgx.Tx, start, before time.Time) (bool, error) {
	b := &pgx.Batch{}
	b.Queue(`SET LOCAL lock_timeout = '100ms'`)
	b.Queue(`SELECT pg_advisory_xact_lock($1)`, int64(ddlLock))
	b.Queue(`LOCK TABLE ONLY deliveries, ONLY events, ONLY delivery_attempts IN ACCESS EXCLUSIVE MODE`)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return false, err
	}
	var there, touched, pending bool
	if err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, "deliveries"+suffix(start)).Scan(&there); err != nil || !there {
		return false, err // another node has dropped it
	}
	if err := tx.QueryRow(ctx, pendingIn(start)).Scan(&pending); err != nil || pending {
		return false, err
	}
	err := tx.QueryRow(ctx, wasTouchedSQL, start, before).Scan(&touched)
	if err != nil || touched {
		return false, err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM window_touched WHERE start = $1`, start); err != nil {
		return false, err
	}
	for _, parent := range parents {
		if _, err := tx.Exec(ctx, `DROP TABLE IF EXISTS `+parent+suffix(start)); err != nil {
			return false, err
		}
	}
	return true, nil
}
