package app

import (
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// For each rule, an operator learns what is wrong and what to do.
func TestEveryRuleHasWords(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rules := []event.Rule{event.RulePartitionsAreAhead, event.RuleDatabaseIsSound, event.RuleEventIsIntact, event.RuleSubscriptionIsIntact}
	for _, s := range store.AuditStatements(store.Dialect{}) {
		rules = append(rules, s.Rule)
	}
	for _, rule := range rules {
		shown := shownFinding(event.Finding{Rule: rule, Found: event.FindingsMost, Oldest: event.NewID(at)})
		if shown.What == "" || !strings.HasSuffix(shown.Advice, ".") || !shown.AtLeast || shown.OldestAt == nil || !shown.OldestAt.Equal(at) {
			t.Errorf("%s is shown as %+v", rule, shown)
		}
	}
	if len(rules) != len(ruleTexts) {
		t.Errorf("%d rules have words, there are %d", len(ruleTexts), len(rules))
	}
}
