package match

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// Reason explains why a subscription matches an event or does not. String creates the text, so a
// match itself does not pay for it. The text may quote the event's data, so show it only to callers
// who may read the event, and do not log it.
type Reason struct {
	Rule         Rule // the first rule that fails; "" if it matches
	subscription *Subscription
	event        *Event
}

// String returns a sentence without its full stop. It is "" if the subscription matches and
// is not paused.
func (r Reason) String() string {
	s, e := r.subscription, r.event
	switch r.Rule {
	case RuleActive:
		if s.DisabledReason != "" {
			return "the subscription is disabled: " + s.DisabledReason
		}
		return "the subscription is not active"
	case RuleEventTypes:
		return fmt.Sprintf("the event's type is %q; the subscription wants %s", event.Clip(e.Type, event.MaxQuoted), oneOf(s.EventTypes))
	case RuleChannels:
		if len(e.Channels) == 0 {
			return "the event has no channels; the subscription wants " + oneOf(s.Channels)
		}
		return fmt.Sprintf("the event's channels are %s; the subscription wants %s", quoted(e.Channels, " and "), oneOf(s.Channels))
	case RuleFilter:
		return s.Filter.Why(e)
	}
	if s != nil && s.Paused {
		return "the subscription is paused, so its delivery waits"
	}
	return ""
}

func oneOf(texts []string) string { return quoted(texts, " or ") }

// mostNamed is the largest number of patterns or channels that a reason names.
const mostNamed = 5

func quoted(texts []string, between string) string {
	var parts []string
	for i, text := range texts {
		if i == mostNamed {
			parts = append(parts, fmt.Sprintf("%d more", len(texts)-i))
			break
		}
		parts = append(parts, strconv.Quote(event.Clip(text, event.MaxQuoted)))
	}
	return strings.Join(parts, between)
}
