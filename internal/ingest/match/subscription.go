package match

import (
	"slices"

	"github.com/hookferry/hookferry/internal/event"
)

// Subscription is what matching needs of one. An index keeps it, so it is not to be changed
// once it was given to one.
type Subscription struct {
	ID             event.ID
	EventTypes     []string // patterns, see event.Wants; empty means all
	Channels       []string // empty means all, events without channels included
	Filter         *Filter  // nil means all
	Active         bool
	DisabledReason string // why the service made it inactive; "" if it did not
	Paused         bool   // it matches, and its deliveries wait
}

// Rule is one of the rules by which a subscription matches an event.
type Rule string

// The rules, in the order in which they are asked.
const (
	RuleActive     Rule = "active"
	RuleEventTypes Rule = "event_types"
	RuleChannels   Rule = "channels"
	RuleFilter     Rule = "filter"
)

// Match reports whether the event is for the subscription. If it is not, the reason has the
// first rule that says so.
func (s *Subscription) Match(e *Event) (bool, Reason) {
	rule := s.failingRule(e)
	return rule == "", Reason{Rule: rule, subscription: s, event: e}
}

func (s *Subscription) failingRule(e *Event) Rule {
	switch {
	case !s.Active:
		return RuleActive
	case !event.Wants(s.EventTypes, e.Type):
		return RuleEventTypes
	case !e.Direct && !wantsChannels(s.Channels, e.Channels):
		return RuleChannels
	case !s.Filter.Match(e):
		return RuleFilter
	}
	return ""
}

// wantsChannels reports whether the event has one of the subscription's channels, or the
// subscription names none.
func wantsChannels(subscription, event []string) bool {
	return len(subscription) == 0 || slices.ContainsFunc(event, func(c string) bool { return slices.Contains(subscription, c) })
}
