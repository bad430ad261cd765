package demo

import (
	"fmt"
	"net/http"
	"time"

	"github.com/hookferry/hookferry/client"
)

// endpoint describes an endpoint of the demo.
type endpoint struct {
	name      string
	behaviour string // how it behaves, to be printed after its name
	respond   responder
	settings  client.SubscriptionInput // of its subscription, besides the target and the secret
	make      func(*maker) (eventType string, data any)

	share       int    // percentage of all events
	most        int    // the most events that it gets; 0: unlimited
	finalStatus string // the final status of its deliveries
	isTimed     bool   // its webhooks are timed
	// lesson returns what this endpoint shows, if the numbers prove it, or "".
	lesson func(account) string
}

// reply is the response of an endpoint. A zero status means no response.
type reply struct {
	status   int
	location string
}

// responder returns the reply to the attempt of an event with this number.
type responder func(r *http.Request, number int) reply

func atOnce(*http.Request, int) reply { return reply{status: http.StatusOK} }

func gone(*http.Request, int) reply { return reply{status: http.StatusGone} }

// hang waits until the sender gives up.
func hang(r *http.Request, _ int) reply {
	<-r.Context().Done()
	return reply{}
}

func slowly(d time.Duration) responder {
	return func(r *http.Request, _ int) reply {
		if sleep(r.Context(), d) != nil {
			return reply{}
		}
		return reply{status: http.StatusOK}
	}
}

func failFirst(n int) responder {
	return func(_ *http.Request, number int) reply {
		if number <= n {
			return reply{status: http.StatusServiceUnavailable}
		}
		return reply{status: http.StatusOK}
	}
}

func moved(r *http.Request, _ int) reply {
	return reply{status: http.StatusFound, location: "http://" + r.Host + strayPath}
}

// endpoints returns the endpoints of the demo. The first gets the events that the shares of the
// others leave.
func endpoints(p pace) []endpoint {
	few := func(n int) []float64 {
		var seconds []float64
		for _, d := range p.retries[:n] {
			seconds = append(seconds, d.Seconds())
		}
		return seconds
	}
	return []endpoint{
		{
			name: "shop", behaviour: "responds at once", respond: atOnce, isTimed: true,
			settings: client.SubscriptionInput{EventTypes: []string{"order.*"}}, make: makeOrder, finalStatus: client.Delivered,
		},
		{
			name: "crm", behaviour: "responds at once", respond: atOnce, isTimed: true, share: 25,
			settings: client.SubscriptionInput{EventTypes: []string{"user.*"}}, make: makeUser, finalStatus: client.Delivered,
		},
		{
			name: "billing", behaviour: fmt.Sprintf("takes %v to respond", p.slow), respond: slowly(p.slow), share: 15, most: 200,
			settings: client.SubscriptionInput{EventTypes: []string{"invoice.*"}}, make: makeInvoice, finalStatus: client.Delivered,
		},
		{
			name: "warehouse", behaviour: "sends 503 twice, then 200", respond: failFirst(2), share: 15, most: 400,
			settings: client.SubscriptionInput{EventTypes: []string{"stock.*", "shipment.*"}}, make: makeShipment, finalStatus: client.Delivered,
		},
		{
			name: "analytics", behaviour: "hangs: never responds", respond: hang, share: 10, most: 8,
			settings: client.SubscriptionInput{
				EventTypes: []string{"page.viewed"}, TimeoutSeconds: p.patience.Seconds(), RetryScheduleSeconds: few(2),
			},
			make: makePageView, finalStatus: client.Failed, lesson: othersNotDelayed,
		},
		{
			name: "old-site", behaviour: "redirects", respond: moved, share: 5, most: 4,
			settings: client.SubscriptionInput{EventTypes: []string{"user.*"}, RetryScheduleSeconds: few(1)}, make: makeUser, finalStatus: client.Failed, lesson: redirectNotFollowed,
		},
		{
			name: "partner", behaviour: "is gone: sends 410", respond: gone, share: 5, most: 1,
			settings: client.SubscriptionInput{EventTypes: []string{"order.*"}}, make: makeOrder, finalStatus: client.Failed, lesson: subscriptionDisabled,
		},
	}
}

// othersNotDelayed is proven if the webhooks for other endpoints took much less time than the
// timeout of the endpoint that hangs.
func othersNotDelayed(a account) string {
	if p99 := percentile(a.took, 99); p99 > 0 && p99 < a.patience/4 {
		return "It did not delay the other endpoints."
	}
	return ""
}

func redirectNotFollowed(a account) string {
	if a.redirected == 0 {
		return "The redirect was not followed."
	}
	return ""
}

func subscriptionDisabled(a account) string {
	if a.refusals.gone == "" {
		return ""
	}
	return "Its subscription was disabled, and the next event for it refused (409)."
}
