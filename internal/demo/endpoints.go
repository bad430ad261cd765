package demo

import (
	"fmt"
	"net/http"
	"time"

	"github.com/hookferry/hookferry/client"
)

// endpoint is what a local endpoint of the demonstration is like.
type endpoint struct {
	name     string
	manner   string // how it behaves, after its name
	answer   answer
	settings client.SubscriptionInput // what its subscription sets besides target and secret
	make     func(*maker) (eventType string, data any)

	share  int    // of a hundred events
	most   int    // but no more than these; 0 is no limit
	ends   string // the status that its deliveries come to
	prompt bool   // its webhooks are timed
	// moral is what there is to learn from it, where the account proves it, or "".
	moral func(account) string
}

// reply is how an endpoint answers; a zero status is no answer at all.
type reply struct {
	status   int
	location string
}

// answer decides the reply to an event's attempt of that number.
type answer func(r *http.Request, number int) reply

func atOnce(*http.Request, int) reply { return reply{status: http.StatusOK} }

func gone(*http.Request, int) reply { return reply{status: http.StatusGone} }

// hang waits until the sender gives up.
func hang(r *http.Request, _ int) reply {
	<-r.Context().Done()
	return reply{}
}

func slowly(d time.Duration) answer {
	return func(r *http.Request, _ int) reply {
		if sleep(r.Context(), d) != nil {
			return reply{}
		}
		return reply{status: http.StatusOK}
	}
}

func failFirst(n int) answer {
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

// endpoints are the endpoints of the demonstration. The first takes what the
// shares of the others leave.
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
			name: "shop", manner: "answers at once", answer: atOnce, prompt: true,
			settings: client.SubscriptionInput{EventTypes: []string{"order.*"}}, make: makeOrder, ends: client.Delivered,
		},
		{
			name: "crm", manner: "answers at once", answer: atOnce, prompt: true, share: 25,
			settings: client.SubscriptionInput{EventTypes: []string{"user.*"}}, make: makeUser, ends: client.Delivered,
		},
		{
			name: "billing", manner: fmt.Sprintf("takes %v for each", p.slow), answer: slowly(p.slow), share: 15, most: 200,
			settings: client.SubscriptionInput{EventTypes: []string{"invoice.*"}}, make: makeInvoice, ends: client.Delivered,
		},
		{
			name: "warehouse", manner: "answers 503 twice, then 200", answer: failFirst(2), share: 15, most: 400,
			settings: client.SubscriptionInput{EventTypes: []string{"stock.*", "shipment.*"}}, make: makeShipment, ends: client.Delivered,
		},
		{
			name: "analytics", manner: "hangs: never answers", answer: hang, share: 10, most: 8,
			settings: client.SubscriptionInput{
				EventTypes: []string{"page.viewed"}, TimeoutSeconds: p.patience.Seconds(), RetryScheduleSeconds: few(2),
			},
			make: makePageView, ends: client.Failed, moral: nobodyWaited,
		},
		{
			name: "old-site", manner: "redirects elsewhere", answer: moved, share: 5, most: 4,
			settings: client.SubscriptionInput{EventTypes: []string{"user.*"}, RetryScheduleSeconds: few(1)}, make: makeUser, ends: client.Failed, moral: nobodyCame,
		},
		{
			name: "partner", manner: "is gone: answers 410", answer: gone, share: 5, most: 1,
			settings: client.SubscriptionInput{EventTypes: []string{"order.*"}}, make: makeOrder, ends: client.Failed, moral: switchedOff,
		},
	}
}

// nobodyWaited holds where the webhooks for other endpoints took much less time
// than the one that hangs was given.
func nobodyWaited(a account) string {
	if p99 := percentile(a.took, 99); p99 > 0 && p99 < a.patience/4 {
		return "The others did not wait for it."
	}
	return ""
}

func nobodyCame(a account) string {
	if a.strays == 0 {
		return "Where it leads to, nobody came."
	}
	return ""
}

func switchedOff(a account) string {
	if a.refusals.gone == "" {
		return ""
	}
	return "It was switched off, and the next event for it refused (409)."
}
