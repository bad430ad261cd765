package store

import "github.com/hookferry/hookferry/internal/event"

// What follows is the contract of a copy from one driver to another: which tables and columns there
// are, in the words of neither. A source returns rows of Go values, a target writes them. Rows are
// copied as they are, with the ids that they have and secrets as they are sealed.

// CopyKind says what a column holds, and so which Go value a source returns for it.
type CopyKind int

// The kinds. A time that is not set is the zero time; the target decides how it keeps that.
const (
	CopyID          CopyKind = iota // event.ID
	CopyMaybeID                     // event.ID, zero if there is none
	CopyText                        // string
	CopyMaybeText                   // string, "" if there is none
	CopyJSON                        // string
	CopyBytes                       // []byte
	CopyMaybeBytes                  // []byte, nil if there is none
	CopyInt                         // int64
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
	Name    string // for people, and for the note of how far a copy has come
	Table   string
	Columns []CopyColumn
	// Last steps are written in one transaction, which ends the copy.
	Last bool
}

// Batch is some rows of a step, and where the step goes on behind them.
type Batch struct {
	Rows   [][]any
	Cursor []byte
}

// CopyCounts are the numbers of rows of a database, by kind.
type CopyCounts map[string]int64

// CopyKinds are what is counted, in the order in which people read it.
func CopyKinds() []string {
	kinds := []string{"subscriptions", "endpoint health", "API keys", "idempotency keys", "events"}
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
// attempt is the id that says which partition it belongs to.
//
// Subscriptions and API keys come last, in one transaction: until then a node that is started too
// early has nobody who may call it, and delivers nothing, because no delivery has a subscription.
func CopySteps() []CopyStep {
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
		{Name: "subscriptions", Table: "subscriptions", Last: true, Columns: []CopyColumn{
			{"id", CopyID},
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
		}},
	}
}
