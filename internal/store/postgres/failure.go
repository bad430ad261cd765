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

// fail says what was tried. The error is ErrUnavailable unless a rule or the data
// themselves are why it failed.
func fail(what string, err error) error {
	switch {
	case err == nil, store.IsRefusal(err), errors.Is(err, event.ErrUnavailable):
		return err
	case isDataError(err):
		return fmt.Errorf("%s: %w", what, err)
	case sqlState(err) == "53100": // disk_full; 53200, 53300 and the like pass sooner
		return fmt.Errorf("%w: %s: %w", event.ErrFull, what, err)
	}
	return fmt.Errorf("%w: %s: %w", event.ErrUnavailable, what, inWords(err))
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// isDataError reports whether the database refused the very row: the same would
// happen again, and others in the transaction are not at fault.
func isDataError(err error) bool {
	switch state := sqlState(err); {
	case state == "":
		return false
	case state[:2] == "22", state[:2] == "23", state[:2] == "54":
		return !isNoPartition(err)
	}
	return false
}

// isNoPartition reports whether a row has an id of a time that has no partition, or
// a statement names one that there is not.
func isNoPartition(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "23514" && pg.ConstraintName == "" || pg.Code == "42P01")
}

// passes reports whether the same transaction may well succeed right now: it lost
// against another one.
func passes(err error) bool {
	state := sqlState(err)
	return state == "40001" || state == deadlockDetected
}

const deadlockDetected = "40P01"

const tries = 5

// again repeats what lost against other transactions.
func again(ctx context.Context, f func() error) error {
	var err error
	for i := range tries {
		if err = f(); !passes(err) {
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
