package api

import (
	"fmt"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// advise returns warnings about input that is accepted but unwise, or that was understood
// differently from how it was written.
func advise(in SubscriptionInput) []string {
	_, warnings := cleanTarget(in.TargetURL)
	for i, pattern := range in.EventTypes {
		if isEverything(pattern) {
			warnings = append(warnings, fmt.Sprintf("event_types[%d] is %q, which matches only events of exactly that type; to get every event, leave event_types empty or write *", i, pattern))
		}
	}
	if in.Secret != nil {
		for _, advice := range event.AdviseSecret(*in.Secret) {
			warnings = append(warnings, "secret "+advice)
		}
	}
	return warnings
}

// isEverything reports whether people use a pattern to mean every event.
func isEverything(pattern string) bool {
	switch strings.ToLower(pattern) {
	case "all", "any", "every", "everything", "all_events", "all-events", "allevents", "all.events", "any_event", "anything":
		return true
	}
	return false
}
