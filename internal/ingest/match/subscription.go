package match

import (
	"slices"

	"github.com/hookferry/hookferry/internal/event"
)

// Subscription is the part of a subscription that matching needs. It must not be changed once it is
// in an index.
type Subscription struct {
	ID             event.ID
	EventTypes     []string // patterns, see event.Wants; empty means all
	Channels       []string // empty means all events, including those without channels
	Filter         *Filter  // nil means all
	Active         bool
	DisabledReason string // why the service made it inactive; "" if it did not
	Paused         bool   // it matches, and its deliveries wait
}

// Rule is one of the rules of matching.
type Rule string

// The rules, in the order in which they are checked.
const (
	RuleActive     Rule = "active"
	RuleEventTypes Rule = "event_types"
	RuleChannels   Rule = "channels"
	RuleFilter     Rule = "filter"
)

// Match reports whether the subscription matches the event. If it does not, the reason names
// the first rule that fails.
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

// wantsChannels reports whether the subscription names no channels or shares one with the event.
func wantsChannels(subscription, event []string) bool {
	return len(subscription) == 0 || slices.ContainsFunc(event, func(c string) bool { return slices.Contains(subscription, c) })
}
