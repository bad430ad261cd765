package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
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

// Dialect is how a driver says what the rules are about.
type Dialect struct {
	Living     string // the subscription s is not deleted
	Active     string // the subscription s is active
	Before     string // the time that AuditedBefore returns
	Deliveries string // what to select deliveries from
	EventOf    string // the event e is that of the delivery d
	Events     string // selects id, delivery_count and key of the events
	Of         string // the column of Deliveries that holds their event's key
	Kept       string // the smallest id of an event that has all its deliveries still
}

// eventsShort finds events with fewer deliveries than they were accepted with (-1 is one, as
// release 0.1.0 left it). Of older ones some may have expired, but not all.
func eventsShort(in Dialect) string {
	return fmt.Sprintf(`SELECT e.id FROM (%s) AS e LEFT JOIN (SELECT %s AS key, count(*) AS n FROM %s GROUP BY 1) AS d ON d.key = e.key
		WHERE coalesce(d.n, 0) < CASE WHEN e.id < %s AND e.delivery_count <> 0 THEN 1 ELSE abs(e.delivery_count) END
		ORDER BY 1 LIMIT %d`, in.Events, in.Of, in.Deliveries, in.Kept, event.FindingsMost)
}

// AuditStatements are the rules in the SQL that both dialects understand.
func AuditStatements(in Dialect) []AuditStatement {
	deliveries := func(where string) string {
		return fmt.Sprintf(`SELECT d.id FROM %s d WHERE %s ORDER BY d.id LIMIT %d`, in.Deliveries, where, event.FindingsMost)
	}
	subscription := func(is string) string {
		return `EXISTS (SELECT 1 FROM subscriptions s WHERE s.id = d.subscription_id AND ` + is + `)`
	}
	list := []AuditStatement{
		{event.RuleDeliveryHasEvent, deliveries(`NOT EXISTS (SELECT 1 FROM events e WHERE ` + in.EventOf + `)`)},
		{event.RuleEventHasDeliveries, eventsShort(in)},
		{event.RuleAttemptsOnRecord, deliveries(`d.attempts > (SELECT count(*) FROM delivery_attempts a WHERE a.delivery_id = d.id)`)},
		{event.RuleSettledIsFree, deliveries(`d.status <> 0 AND d.lease_owner IS NOT NULL`)},
		{event.RulePendingIsWanted, deliveries(`d.status = 0 AND NOT ` + subscription(in.Living))},
		{event.RuleLeasesAreEnded, deliveries(`d.status = 0 AND d.lease_owner IS NOT NULL AND d.leased_until < {before}`)},
		{event.RuleDueIsClaimed, deliveries(`d.status = 0 AND d.lease_owner IS NULL AND d.due_at < {before} AND ` + subscription(in.Active))},
	}
	for i := range list {
		list[i].SQL = strings.ReplaceAll(list[i].SQL, "{before}", in.Before)
	}
	return list
}
