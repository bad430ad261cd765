package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/terminal"
)

// A delivery is read often at first, because most deliveries succeed at once.
const (
	firstLook = 50 * time.Millisecond
	slowest   = time.Second
)

// follow prints each attempt until the delivery is settled.
func (s *sender) follow(ctx context.Context, c *client.Client, r client.Receipt) error {
	if !s.asJSON {
		s.printReceipt(r)
	}
	printed := 0
	for wait := firstLook; ; wait = min(2*wait, slowest) {
		d, err := c.Delivery(ctx, r.DeliveryID)
		if err != nil && ctx.Err() == nil {
			return s.explain(err)
		}
		if err == nil {
			printed = s.printAttempts(d, printed)
		}
		if err == nil && d.Status != client.Pending {
			return s.settle(d)
		}
		if err != nil || s.pause(ctx, wait) != nil {
			return fmt.Errorf("stopped waiting; the delivery continues: curl \"%s/status/delivery/%s\"", terminal.Clean(s.url), terminal.Clean(r.DeliveryID))
		}
	}
}

// printAttempts prints the attempts that are new, and returns the number of printed attempts.
func (s *sender) printAttempts(d client.Delivery, printed int) int {
	if s.asJSON {
		return 0
	}
	for _, a := range d.Attempts[min(printed, len(d.Attempts)):] {
		fmt.Fprintf(s.out, "attempt %d: %s (%s)", a.AttemptNumber, terminal.Clean(describeAttempt(a)), terminal.Milliseconds(a.Duration()))
		if last := a.AttemptNumber == len(d.Attempts); last && d.Status == client.Pending && !d.NextAttemptAt.IsZero() {
			fmt.Fprintf(s.out, "; the next one is due at %s", d.NextAttemptAt.Local().Format(time.TimeOnly))
		}
		fmt.Fprintln(s.out)
	}
	return len(d.Attempts)
}

// describeAttempt describes how an attempt ended.
func describeAttempt(a client.Attempt) string {
	if a.Success {
		return fmt.Sprintf("responded with %d", a.StatusCode)
	}
	return a.Error
}

// settle prints the final status, and makes the command fail if the delivery failed.
func (s *sender) settle(d client.Delivery) error {
	if s.asJSON {
		if err := terminal.WriteJSONLine(s.out, d); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(s.out, "%s\n", terminal.Clean(d.Status))
	}
	if d.Status != client.Delivered {
		return errSaid
	}
	return nil
}
