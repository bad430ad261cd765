package app

import (
	"errors"
	"net"
	"slices"
)

// cleanup closes one thing that New has opened.
type cleanup struct {
	name string // of what is closed, for the log
	do   func() error
}

// onClose has close do this before what it was told earlier: what is opened last may
// need what was opened first.
func (a *App) onClose(name string, do func() error) {
	a.cleanups = append(a.cleanups, cleanup{name, do})
}

// close closes what New has opened, the last thing first. What fails is logged, and the
// rest is closed all the same.
func (a *App) close() {
	for _, c := range slices.Backward(a.cleanups) {
		if err := c.do(); err != nil {
			a.log.Error("could not close "+c.name, "error", err)
		}
	}
	a.cleanups = nil
}

// unlessClosed is err, unless a listener says by it that it is closed: by its server.
func unlessClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
