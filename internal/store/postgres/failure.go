package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// fail adds to an error what was tried. The result wraps ErrUnavailable unless a rule or the
// data was the cause.
func fail(what string, err error) error {
	switch {
	case err == nil, store.IsRefusal(err), errors.Is(err, event.ErrUnavailable):
		return err
	case isDataError(err):
		return fmt.Errorf("%s: %w", what, err)
	case sqlState(err) == "53100": // disk_full; unlike 53200 and 53300, it does not pass soon
		return fmt.Errorf("%w: %s: %w", event.ErrFull, what, err)
	}
	return fmt.Errorf("%w: %s: %w", event.ErrUnavailable, what, describe(err))
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// isDataError reports whether the database refused a row because of its content. The same row
// would be refused again, and other rows of the transaction are not at fault.
func isDataError(err error) bool {
	switch state := sqlState(err); {
	case state == "":
		return false
	case state[:2] == "22", state[:2] == "23", state[:2] == "54":
		return !isNoPartition(err)
	}
	return false
}

// isNoPartition reports whether a row belongs to a partition that does not exist, or a
// statement names one.
func isNoPartition(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "23514" && pg.ConstraintName == "" || pg.Code == "42P01")
}

// isTransient reports whether a transaction failed only because of a conflict with another one,
// so that it may succeed if it is repeated.
func isTransient(err error) bool {
	state := sqlState(err)
	return state == "40001" || state == deadlockDetected
}

const deadlockDetected = "40P01"

const tries = 5

// retry calls f again while it fails because of conflicts with other transactions.
func retry(ctx context.Context, f func() error) error {
	var err error
	for i := range tries {
		if err = f(); !isTransient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(i+1) * 5 * time.Millisecond):
		}
	}
	return err
}
