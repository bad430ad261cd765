package dispatch

import (
	"fmt"
	"time"
)

// stop releases the deliveries that are queued in the lanes and waits for the attempts in flight.
// It returns an error if the grace period ended first.
func (d *Dispatcher) stop() error {
	d.recorder.removeBound()
	d.mu.Lock()
	d.stopping = true
	d.resume.Stop()
	if queued := d.lanes.removeQueued(); len(queued) > 0 {
		d.recorder.release(queued...)
	}
	for _, l := range d.lanes.inOrder() {
		d.serveWaiters(l) // refuses them
	}
	for _, next := range d.idleWorkers {
		close(next)
	}
	d.idleWorkers = nil
	inFlight := d.inFlight
	if inFlight == 0 {
		close(d.noneInFlight)
	}
	d.mu.Unlock()

	err := d.awaitAttempts()
	d.abort()
	<-d.noneInFlight // soon, because the sender returns at once
	return err
}

// awaitAttempts waits for the attempts in flight. It renews their leases, because otherwise
// another node would make the same attempts.
func (d *Dispatcher) awaitAttempts() error {
	now := time.Now()
	end, renewAt := now.Add(d.o.Grace), now.Add(d.o.Lease/3)
	timer := time.NewTimer(d.o.Grace)
	defer timer.Stop()
	for ; !d.attemptsEnded(); now = time.Now() {
		switch {
		case !now.Before(end):
			return fmt.Errorf("some attempts were still under way after the grace period of %v and were aborted; they are due again", d.o.Grace)
		case !now.Before(renewAt):
			d.renew(d.attempts)
			renewAt = time.Now().Add(d.o.Lease / 3)
		default:
			timer.Reset(min(end.Sub(now), renewAt.Sub(now)))
			select {
			case <-d.noneInFlight:
			case <-timer.C:
			}
		}
	}
	return nil
}

func (d *Dispatcher) attemptsEnded() bool {
	select {
	case <-d.noneInFlight:
		return true
	default:
		return false
	}
}
