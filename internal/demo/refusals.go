package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hookferry/hookferry/client"
)

// refusals are the service's reasons for refusing two requests that it must refuse. "" means that
// it accepted the request.
type refusals struct {
	target string // a subscription to the address where clouds serve their credentials
	gone   string // an event for the endpoint that responded with 410
}

const forbiddenTarget = "http://169.254.169.254/latest/meta-data/"

func (r refusals) faults() (faults []string) {
	if r.target == "" {
		faults = append(faults, "a subscription with the target "+forbiddenTarget+" was accepted")
	}
	if r.gone == "" {
		faults = append(faults, "an event was accepted for an endpoint that had responded with 410")
	}
	return faults
}

// tryRefusals makes the two requests.
func (d *demo) tryRefusals(ctx context.Context) error {
	_, err := d.client.CreateSubscription(ctx, client.SubscriptionInput{TargetURL: forbiddenTarget})
	if d.refusals.target, err = refusal(err, http.StatusUnprocessableEntity); err != nil {
		return fmt.Errorf("try a forbidden target: %w", err)
	}
	last := d.servers[len(d.servers)-1] // the endpoint that is gone
	_, err = d.client.PublishTo(ctx, last.subscription, client.Event{Type: "order.created"})
	if d.refusals.gone, err = refusal(err, http.StatusConflict); err != nil {
		return fmt.Errorf("publish for the endpoint that is gone: %w", err)
	}
	return nil
}

// refusal returns the reason if the service refused with this status. It returns any other error.
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
