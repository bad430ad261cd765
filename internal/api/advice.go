package api

import (
	"fmt"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// advise is what was taken but is unwise, or was understood otherwise than it was
// written.
func advise(in SubscriptionInput) []string {
	_, warnings := cleanTarget(in.TargetURL)
	for i, pattern := range in.EventTypes {
		if isEverything(pattern) {
			warnings = append(warnings, fmt.Sprintf("event_types[%d] is %q, which is only wanted by events of that very type; for every event leave event_types empty, or write *", i, pattern))
		}
	}
	if in.Secret != nil {
		for _, advice := range event.AdviseSecret(*in.Secret) {
			warnings = append(warnings, "secret "+advice)
		}
	}
	return warnings
}

// isEverything reports whether a pattern is a word with which people mean every event.
func isEverything(pattern string) bool {
	switch strings.ToLower(pattern) {
	case "all", "any", "every", "everything", "all_events", "all-events", "allevents", "all.events", "any_event", "anything":
		return true
	}
	return false
}
