package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// kind is what an id stands for.
type kind string

const (
	aSubscription kind = "subscription"
	aDelivery     kind = "delivery"
	anEvent       kind = "event"
)

// maxNamed is how many deliveries of an event a problem names.
const maxNamed = 3

// notHere says where the thing with an id is, if an operation on another kind of thing did not
// find it. All ids look alike, so that people take one for another. Errors other than
// ErrNotFound are returned as they are.
func (a *api) notHere(ctx context.Context, err error, wanted kind, id event.ID) error {
	if !errors.Is(err, event.ErrNotFound) {
		return err
	}
	return newProblem(http.StatusNotFound, "not_found", a.whereabouts(ctx, wanted, id))
}

// whereabouts looks for the kinds of things in turn. What can't be read at present counts as
// not found: the operation's own reading has found that there is none of its kind.
func (a *api) whereabouts(ctx context.Context, wanted kind, id event.ID) string {
	if s, err := a.Subscriptions.Subscription(ctx, id); err == nil {
		if wanted != aSubscription {
			return isAnother(id, aSubscription, wanted, "its attempts are listed at /status/subscription/"+id.String())
		}
		if s.Deleted() {
			return fmt.Sprintf("Subscription %s was deleted at %s; /status/subscription/%s still lists its attempts.", id, shownTime(s.DeletedAt), id)
		}
	}
	if wanted != aDelivery {
		if _, err := a.History.Delivery(ctx, id); err == nil {
			return isAnother(id, aDelivery, wanted, "it is at /status/delivery/"+id.String())
		}
	}
	if found, err := a.History.EventDeliveries(ctx, id, maxNamed+1); err == nil {
		return isAnother(id, anEvent, wanted, deliveriesAt(found))
	}
	if wanted == aSubscription {
		return "No subscription with this id. It may have been deleted."
	}
	return "No delivery with this id. It may have expired (history is kept for " + inHours(a.Retention) + ")."
}

func isAnother(id event.ID, found, wanted kind, where string) string {
	article := map[kind]string{aSubscription: "a", aDelivery: "a", anEvent: "an"}
	return fmt.Sprintf("%s is the id of %s %s, not of a %s; %s.", id, article[found], found, wanted, where)
}

func deliveriesAt(ids []event.ID) string {
	if len(ids) == 1 {
		return "its delivery is at /status/delivery/" + ids[0].String()
	}
	var paths []string
	for _, id := range ids[:min(len(ids), maxNamed)] {
		paths = append(paths, "/status/delivery/"+id.String())
	}
	where := "its deliveries are at " + strings.Join(paths, ", ")
	if len(ids) > maxNamed {
		where += " and others"
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
