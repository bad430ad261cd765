package store

import "github.com/hookferry/hookferry/internal/event"

// This file is the contract of a copy from one driver to another. It describes tables and columns
// independently of both. A source returns rows of Go values, and a target writes them. Rows keep
// their ids, and secrets stay sealed.

// CopyKind says what a column contains, and so which Go type a source returns for it.
type CopyKind int

// The kinds. An unset time is the zero time. The target decides how to store it.
const (
	CopyID          CopyKind = iota // event.ID
	CopyMaybeID                     // event.ID, zero if there is none
	CopyText                        // string
	CopyMaybeText                   // string, "" if there is none
	CopyJSON                        // string
	CopyBytes                       // []byte
	CopyMaybeBytes                  // []byte, nil if there is none
	CopyInt                         // int64
	CopyMaybeInt                    // int64, -1 if there is none
	CopyMicros                      // int64, microseconds that a driver may cap
	CopyFloat                       // float64
	CopyBool                        // bool
	CopyTime                        // time.Time, when something happened
	CopyMaybeTime                   // the same, or zero
	CopyShared                      // time.Time that nodes compare, see Clock
	CopyMaybeShared                 // the same, or zero
	CopyTexts                       // []string
	CopySecrets                     // [][]byte
	CopyMaybeLongs                  // []int64, nil if there is none
)

// CopyColumn is a column that is copied.
type CopyColumn struct {
	Name string
	Kind CopyKind
}

// CopyStep is one pass over a table. Two steps may write to the same table.
type CopyStep struct {
	Name    string // shown to the operator, and recorded as the progress of a copy
	Table   string
	Columns []CopyColumn
	// Last steps are written in one transaction, which ends the copy.
	Last bool
}

// Batch is some rows of a step, and the cursor with which the step continues after them.
type Batch struct {
	Rows   [][]any
	Cursor []byte
}

// CopyCounts are the numbers of rows of a database, by kind.
type CopyCounts map[string]int64

// CopyKinds returns the keys of CopyCounts, in the order in which they are shown.
func CopyKinds() []string {
	kinds := []string{
		"tenants", "subscriptions", "endpoint health", "API keys", "event types",
		"idempotency keys", "idempotency keys of tenants", "events",
	}
	for _, status := range event.Statuses {
		kinds = append(kinds, "deliveries "+status.String())
	}
	return append(kinds, "attempts")
}

var deliveryCopy = []CopyColumn{
	{"id", CopyID},
	{"event_id", CopyID},
	{"subscription_id", CopyID},
	{"due_at", CopyShared},
	{"created_at", CopyTime},
	{"leased_until", CopyMaybeTime},
	{"settled_at", CopyMaybeTime},
	{"attempts", CopyInt},
	{"status", CopyInt},
	{"lease_owner", CopyMaybeText},
	{"round", CopyInt},
	{"round_from", CopyInt},
	{"stray", CopyInt},
	{"delivered_at", CopyMaybeTime},
	{"replay_id", CopyMaybeID},
}

// CopySteps returns the steps in their order. The first column of an event, a delivery and an
// attempt is the id that decides to which partition it belongs.
//
// Subscriptions and API keys come last, in one transaction. Until then, a node that is started too
// early accepts no call, because there is no API key, and delivers nothing, because no delivery
// has a subscription. Tenants and the version of the event types are in the same transaction: a
// new database has rows of both, which the copy replaces.
func CopySteps() []CopyStep { return append(copiedHistory(), copiedLast()...) }

// copiedHistory returns the steps that are written in batches.
func copiedHistory() []CopyStep {
	return []CopyStep{
		{Name: "events", Table: "events", Columns: []CopyColumn{
			{"id", CopyID},
			{"created_at", CopyTime},
			{"type", CopyText},
			{"content_type", CopyText},
			{"payload", CopyBytes},
			{"tenant_no", CopyInt},
			{"delivery_count", CopyInt},
			{"data_at", CopyInt},
			{"data_len", CopyInt},
			{"metadata", CopyText},
			{"idempotency_key", CopyText},
			{"traceparent", CopyText},
			{"retry", CopyBool},
			{"erased_at", CopyMaybeTime},
		}},
		{Name: "deliveries", Table: "deliveries", Columns: deliveryCopy},
		{Name: "implicit deliveries", Table: "deliveries", Columns: deliveryCopy},
		{Name: "attempts", Table: "delivery_attempts", Columns: []CopyColumn{
			{"delivery_id", CopyID},
			{"id", CopyID},
			{"subscription_id", CopyID},
			{"started_at", CopyTime},
			{"duration_us", CopyInt},
			{"dns_us", CopyMicros},
			{"connect_us", CopyMicros},
			{"tls_us", CopyMicros},
			{"first_byte_us", CopyMicros},
			{"attempt_number", CopyInt},
			{"status_code", CopyInt},
			{"peer", CopyText},
			{"code", CopyText},
			{"error", CopyText},
			{"response", CopyMaybeBytes},
			{"url", CopyText},
			{"trigger", CopyInt},
			{"response_headers", CopyText},
			{"reused", CopyBool},
			{"protocol", CopyText},
			{"tls_version", CopyText},
		}},
		{Name: "idempotency keys", Table: "idempotency_keys", Columns: []CopyColumn{
			{"subscription_id", CopyID}, {"key", CopyBytes}, {"body_hash", CopyBytes}, {"event_id", CopyID}, {"delivery_id", CopyID}, {"created_at", CopyTime},
		}},
		{Name: "idempotency keys of tenants", Table: "event_keys", Columns: []CopyColumn{
			{"tenant_no", CopyInt},
			{"key", CopyBytes},
			{"body_hash", CopyBytes},
			{"event_id", CopyID},
			{"deliveries", CopyInt},
			{"refused", CopyInt},
			{"created_at", CopyTime},
		}},
	}
}

// copiedLast returns the steps that are written in the last transaction.
func copiedLast() []CopyStep {
	return []CopyStep{
		{Name: "tenants", Table: "tenants", Last: true, Columns: []CopyColumn{
			{"no", CopyInt},
			{"id", CopyText},
			{"name", CopyText},
			{"metadata", CopyJSON},
			{"limits", CopyJSON},
			{"created_at", CopyTime},
			{"updated_at", CopyTime},
			{"deleted_at", CopyMaybeTime},
			{"version", CopyInt},
		}},
		{Name: "event types", Table: "event_types", Last: true, Columns: []CopyColumn{
			{"name", CopyText},
			{"description", CopyText},
			{"schema", CopyText},
			{"example", CopyText},
			{"created_at", CopyTime},
			{"updated_at", CopyTime},
			{"archived_at", CopyMaybeTime},
			{"version", CopyInt},
		}},
		{Name: "version of the event types", Table: "event_type_version", Last: true, Columns: []CopyColumn{{"version", CopyInt}}},
		{Name: "subscriptions", Table: "subscriptions", Last: true, Columns: []CopyColumn{
			{"id", CopyID},
			{"tenant_no", CopyInt},
			{"uid", CopyText},
			{"name", CopyText},
			{"tenant_version", CopyInt},
			{"target_url", CopyText},
			{"description", CopyText},
			{"event_types", CopyTexts},
			{"secrets", CopySecrets},
			{"require_signature", CopyBool},
			{"headers", CopyJSON},
			{"is_active", CopyBool},
			{"inactive_since", CopyTime},
			{"disabled_reason", CopyText},
			{"timeout_us", CopyInt},
			{"retry_schedule", CopyMaybeLongs},
			{"max_in_flight", CopyInt},
			{"rate_per_second", CopyFloat},
			{"settings", CopyText},
			{"created_at", CopyTime},
			{"updated_at", CopyTime},
			{"deleted_at", CopyMaybeTime},
			{"revision", CopyInt},
			{"paused_at", CopyMaybeTime},
			{"paused_by", CopyText},
			{"paused_reason", CopyText},
		}},
		{Name: "endpoint health", Table: "subscription_health", Last: true, Columns: []CopyColumn{
			{"subscription_id", CopyID},
			{"failing", CopyBool},
			{"failing_since", CopyMaybeShared},
			{"not_before", CopyMaybeShared},
			{"refused_since", CopyMaybeShared},
			{"refused_at", CopyMaybeShared},
			{"refusals", CopyInt},
			{"changed_at", CopyMaybeShared},
		}},
		{Name: "API keys", Table: "api_keys", Last: true, Columns: []CopyColumn{
			{"id", CopyID},
			{"name", CopyText},
			{"prefix", CopyText},
			{"hash", CopyBytes},
			{"scope", CopyText},
			{"created_at", CopyTime},
			{"expires_at", CopyMaybeTime},
			{"revoked_at", CopyMaybeTime},
			{"used_at", CopyMaybeTime},
			{"tenant_no", CopyMaybeInt},
		}},
	}
}
