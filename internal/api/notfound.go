package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/api/view"
	"github.com/hookferry/hookferry/internal/event"
)

// kind is the kind of object that an id identifies.
type kind string

const (
	aSubscription kind = "subscription"
	aDelivery     kind = "delivery"
	anEvent       kind = "event"
)

// maxNamed is how many deliveries of an event a problem lists.
const maxNamed = 3

// notFoundProblem turns ErrNotFound into a problem. All ids look alike, so people mix them up: if
// the id belongs to an object of another kind, the problem says where that object is. Other errors
// are returned unchanged.
func (a *api) notFoundProblem(ctx context.Context, v view.View, err error, wanted kind, id event.ID) error {
	if errors.Is(err, event.ErrTenantNotFound) || !errors.Is(err, event.ErrNotFound) {
		return err
	}
	return newProblem(http.StatusNotFound, "not_found", a.explainNotFound(ctx, v, wanted, id))
}

// explainNotFound looks for each kind of object in turn. It treats an object that can't be read as
// not found, because it is already known that no object of the wanted kind has this id. It finds
// only what the caller may see.
func (a *api) explainNotFound(ctx context.Context, v view.View, wanted kind, id event.ID) string {
	if s, err := v.Subscription(ctx, id); err == nil {
		if wanted != aSubscription {
			return otherKind(id, aSubscription, wanted, "its attempts are listed at /status/subscription/"+id.String())
		}
		if s.Deleted() {
			return fmt.Sprintf("Subscription %s was deleted at %s; /status/subscription/%s still lists its attempts.", id, formatTime(s.DeletedAt), id)
		}
	}
	if wanted != aDelivery {
		if _, err := v.Delivery(ctx, id); err == nil {
			return otherKind(id, aDelivery, wanted, "it is at /status/delivery/"+id.String())
		}
	}
	if found, err := v.EventDeliveries(ctx, id, maxNamed+1); err == nil {
		return otherKind(id, anEvent, wanted, deliveryPaths(found))
	}
	if wanted == aSubscription {
		return "No subscription has this id. It may have been deleted."
	}
	return "No delivery has this id. It may have expired (history is kept for " + inHours(a.Retention) + ")."
}

func otherKind(id event.ID, found, wanted kind, where string) string {
	article := map[kind]string{aSubscription: "a", aDelivery: "a", anEvent: "an"}
	return fmt.Sprintf("%s is the id of %s %s, not of a %s; %s.", id, article[found], found, wanted, where)
}

func deliveryPaths(ids []event.ID) string {
	if len(ids) == 1 {
		return "its delivery is at /status/delivery/" + ids[0].String()
	}
	var paths []string
	for _, id := range ids[:min(len(ids), maxNamed)] {
		paths = append(paths, "/status/delivery/"+id.String())
	}
	where := "its deliveries are at " + strings.Join(paths, ", ")
	if len(ids) > maxNamed {
		where += " and more"
	}
	return where
}

// inHours writes 72h0m0s as 72h.
func inHours(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
