package app

import (
	"errors"
	"net"
	"slices"
)

// cleanup closes one thing that New has opened.
type cleanup struct {
	name string // what is closed, for the log
	do   func() error
}

// onClose registers a function for close. close calls the functions in reverse order, because a
// thing that was opened later may need one that was opened earlier.
func (a *App) onClose(name string, do func() error) {
	a.cleanups = append(a.cleanups, cleanup{name, do})
}

// close closes everything that New has opened, in reverse order. It logs errors, and continues.
func (a *App) close() {
	for _, c := range slices.Backward(a.cleanups) {
		if err := c.do(); err != nil {
			a.log.Error("could not close "+c.name, "error", err)
		}
	}
	a.cleanups = nil
}

// unlessClosed returns err, or nil if err says that the server has already closed the listener.
func unlessClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
