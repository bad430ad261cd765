package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// overdue is how late work must be before an audit reports it. Work is never that late in a
// healthy service.
const overdue = time.Minute

// AuditedBefore returns the time that an audit compares due work with: an audit reports what was
// due before it.
func AuditedBefore(now time.Time) time.Time { return now.Add(-overdue) }

// AuditStatement finds the rows that break a rule. It returns their ids, oldest first.
type AuditStatement struct {
	Rule event.Rule
	SQL  string
}

// Dialect holds the SQL expressions in which drivers differ.
type Dialect struct {
	Living     string // true if the subscription s is not deleted
	Active     string // true if the subscription s is active
	Before     string // the time that AuditedBefore returns
	Deliveries string // what to select deliveries from
	EventOf    string // true if the event e is that of the delivery d
	Events     string // selects id, delivery_count and key of the events
	Of         string // the column of Deliveries with the key of their event
	Kept       string // the smallest id of an event of which no delivery can have expired
}

// eventsShort finds events with fewer deliveries than they were accepted with (-1 means one, as
// release 0.1.0 stored it). Of older events, some deliveries may have expired, but not all.
func eventsShort(in Dialect) string {
	return fmt.Sprintf(`SELECT e.id FROM (%s) AS e LEFT JOIN (SELECT %s AS key, count(*) AS n FROM %s GROUP BY 1) AS d ON d.key = e.key
		WHERE coalesce(d.n, 0) < CASE WHEN e.id < %s AND e.delivery_count <> 0 THEN 1 ELSE abs(e.delivery_count) END
		ORDER BY 1 LIMIT %d`, in.Events, in.Of, in.Deliveries, in.Kept, event.FindingsMost)
}

// AuditStatements returns a statement for each rule, in SQL that both drivers understand.
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
