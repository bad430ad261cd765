package event

// Rule is something that holds for all that is kept, or should.
type Rule string

// The rules. The first five and the last hold always, whatever crashes: what breaks one is a
// fault of Hookferry, of the database or of the disk. The others say that work lies undone.
const (
	RuleDeliveryHasEvent     Rule = "delivery_has_event"        // and can so be sent
	RuleEventHasDeliveries   Rule = "event_has_delivery"        // as many as it was accepted with, or they expired
	RuleAttemptsOnRecord     Rule = "attempts_on_record"        // as many as the delivery counts
	RuleSettledIsFree        Rule = "settled_is_free"           // no node holds what is settled
	RulePendingIsWanted      Rule = "pending_is_wanted"         // its subscription exists
	RuleLeasesAreEnded       Rule = "leases_are_ended"          // when they have run out
	RuleDueIsClaimed         Rule = "due_is_claimed"            // soon
	RulePartitionsAreAhead   Rule = "partitions_are_made_ahead" // of the time that needs them
	RuleEventIsIntact        Rule = "event_is_intact"           // as it was stored, by its checksum
	RuleSubscriptionIsIntact Rule = "subscription_is_intact"    // as it was written, by its checksum
	RuleDatabaseIsSound      Rule = "database_is_sound"         // by the database's own check of its pages and indexes
)

// Finding is what breaks a rule.
type Finding struct {
	Rule   Rule
	Found  int    // at most FindingsMost are counted
	Oldest ID     // the first of them: a delivery, or an event; zero where it is neither
	Detail string // the database's own words, if there are any
}

// FindingsMost is how many rows that break a rule are counted.
const FindingsMost = 1000
