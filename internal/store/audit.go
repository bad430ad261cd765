package store

import (
	"fmt"
	"strings"
	"time"

	"hookferry/internal/event"
)

// undone is for how long work may lie before an audit says so: longer than anything
// that goes well takes.
const undone = time.Minute

// AuditedBefore is the time that what should have been done by now was due at.
func AuditedBefore(now time.Time) time.Time { return now.Add(-undone) }

// AuditStatement finds what breaks a rule. It returns ids, the oldest first.
type AuditStatement struct {
	Rule event.Rule
	SQL  string
}

// AuditStatements are the rules in the SQL that both dialects understand. living is
// how a dialect says that the subscription s is not deleted, active that it is active,
// and before the time that AuditedBefore returns.
func AuditStatements(living, active, before string) []AuditStatement {
	deliveries := func(where string) string {
		return fmt.Sprintf(`SELECT d.id FROM deliveries d WHERE %s ORDER BY d.id LIMIT %d`, where, event.FindingsMost)
	}
	subscription := func(is string) string {
		return `EXISTS (SELECT 1 FROM subscriptions s WHERE s.id = d.subscription_id AND ` + is + `)`
	}
	list := []AuditStatement{
		{event.RuleDeliveryHasEvent, deliveries(`NOT EXISTS (SELECT 1 FROM events e WHERE e.id = d.event_id)`)},
		{event.RuleEventHasDelivery, fmt.Sprintf(`SELECT id FROM events EXCEPT SELECT event_id FROM deliveries ORDER BY 1 LIMIT %d`, event.FindingsMost)},
		{event.RuleAttemptsOnRecord, deliveries(`d.attempts > (SELECT count(*) FROM delivery_attempts a WHERE a.delivery_id = d.id)`)},
		{event.RuleSettledIsFree, deliveries(`d.status <> 0 AND d.lease_owner IS NOT NULL`)},
		{event.RulePendingIsWanted, deliveries(`d.status = 0 AND NOT ` + subscription(living))},
		{event.RuleLeasesAreEnded, deliveries(`d.status = 0 AND d.lease_owner IS NOT NULL AND d.leased_until < {before}`)},
		{event.RuleDueIsClaimed, deliveries(`d.status = 0 AND d.lease_owner IS NULL AND d.due_at < {before} AND ` + subscription(active))},
	}
	for i := range list {
		list[i].SQL = strings.ReplaceAll(list[i].SQL, "{before}", before)
	}
	return list
}
