package dispatch

import (
	"context"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// An event that is published with "retry": false gets one attempt, however it ends, and the next
// event of the same subscription is retried as ever.
func TestSingleAttempt(t *testing.T) {
	for why, o := range map[string]event.Outcome{
		"a failure":   {StatusCode: 500, Code: event.CodeStatus, Error: "refused"},
		"no response": {Code: event.CodeTimeout, Error: "no answer"},
		"a refusal":   {StatusCode: 429, Code: event.CodeStatus, Error: "refused", RetryAfter: time.Second},
	} {
		t.Run(why, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.endpoint = func(context.Context, event.Subscription, event.Claimed) event.Outcome { return o }
				r.run()
				sub := r.subscribe(func(s *event.Subscription) { s.RetrySchedule = event.RetryPolicy{time.Second, time.Second} })
				only := r.claimed(sub)
				only.Event.SingleAttempt = true
				r.store.add(only)
				r.d.Wake()
				r.wait(time.Hour)
				r.is(only.Delivery.ID, event.Failed, 1)
				r.endpoint = answers(500, 0)
				retried := r.due(sub, 0)
				r.wait(time.Hour)
				r.is(retried, event.Failed, 3)
				r.stop()
			})
		})
	}
}
