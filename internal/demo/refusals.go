package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hookferry/hookferry/client"
)

// refusals is what the service said to two requests that it must refuse; "" where
// it took one.
type refusals struct {
	target string // to call the address where clouds keep their credentials
	gone   string // an event for the endpoint that answered 410
}

const forbiddenTarget = "http://169.254.169.254/latest/meta-data/"

func (r refusals) faults() (faults []string) {
	if r.target == "" {
		faults = append(faults, "a subscription that calls "+forbiddenTarget+" was taken")
	}
	if r.gone == "" {
		faults = append(faults, "an event was taken for an endpoint that had answered 410")
	}
	return faults
}

// tryRefusals makes the two requests.
func (d *demo) tryRefusals(ctx context.Context) error {
	_, err := d.client.CreateSubscription(ctx, client.SubscriptionInput{TargetURL: forbiddenTarget})
	if d.refusals.target, err = refusal(err, http.StatusUnprocessableEntity); err != nil {
		return fmt.Errorf("try a forbidden target: %w", err)
	}
	last := d.receivers[len(d.receivers)-1] // the one that is gone
	_, err = d.client.Publish(ctx, last.subscription, client.Event{Type: "order.created"})
	if d.refusals.gone, err = refusal(err, http.StatusConflict); err != nil {
		return fmt.Errorf("publish for the endpoint that is gone: %w", err)
	}
	return nil
}

// refusal is what the service said where it refused with that status. Any other
// error is returned.
func refusal(err error, status int) (string, error) {
	problem, ok := errors.AsType[*client.Problem](err)
	switch {
	case err == nil:
		return "", nil
	case !ok || problem.Status != status:
		return "", err
	case len(problem.Errors) > 0:
		return problem.Errors[0].Message, nil
	}
	return problem.Detail, nil
}
