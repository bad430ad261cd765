package event

// Rule names a rule that the stored data must satisfy.
type Rule string

// The rules. RuleLeasesAreEnded, RuleDueIsClaimed and RulePartitionsAreAhead are broken if work
// is not done in time. The others always hold, even after a crash. A violation of these is a
// fault of Hookferry, of the database or of the disk.
const (
	RuleDeliveryHasEvent     Rule = "delivery_has_event"        // each delivery has its event, so it can be sent
	RuleEventHasDeliveries   Rule = "event_has_delivery"        // each event has the deliveries it was accepted with, unless they expired
	RuleAttemptsOnRecord     Rule = "attempts_on_record"        // all attempts that a delivery counts are stored
	RuleSettledIsFree        Rule = "settled_is_free"           // no settled delivery is leased
	RulePendingIsWanted      Rule = "pending_is_wanted"         // the subscription of each pending delivery exists
	RuleLeasesAreEnded       Rule = "leases_are_ended"          // leases that ran out are ended
	RuleDueIsClaimed         Rule = "due_is_claimed"            // due deliveries are claimed soon
	RulePartitionsAreAhead   Rule = "partitions_are_made_ahead" // partitions exist before they are needed
	RuleEventIsIntact        Rule = "event_is_intact"           // each event matches its checksum
	RuleSubscriptionIsIntact Rule = "subscription_is_intact"    // each subscription matches its checksum
	RuleDatabaseIsSound      Rule = "database_is_sound"         // the database's own check of its pages and indexes passes
)

// Finding describes the rows that break a rule.
type Finding struct {
	Rule   Rule
	Found  int    // how many rows, up to FindingsMost
	Oldest ID     // the oldest of them, if they are deliveries or events; otherwise zero
	Detail string // the database's own message, if any
}

// FindingsMost is the largest number of rows that a Finding counts.
const FindingsMost = 1000
