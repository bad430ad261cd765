package storetest

import (
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

var auditCases = []testCase{
	{"an audit of a sound store finds nothing", auditSound},
	{"an audit finds leases that ran out and were not ended", auditLease},
	{"an audit finds due deliveries that are not claimed", auditDue},
	{"an audit ignores deliveries of an inactive subscription", auditInactive},
}

func (r rig) audit(now time.Time) []event.Finding {
	r.t.Helper()
	findings, err := r.s.Audit(r.t.Context(), now, r.now.Add(-day))
	r.must("audit", err)
	return findings
}

func auditSound(r rig) {
	same(r.t, "findings in an empty store", r.audit(r.now), []event.Finding(nil))
	countAll(r)
	same(r.t, "findings", r.audit(r.now), []event.Finding(nil))
}

func auditLease(r rig) {
	s := r.subscribe()
	first := r.accept(s.ID, leased("node-a", r.now.Add(15*time.Second)))
	r.accept(s.ID, leased("node-b", r.now.Add(20*time.Second)))
	same(r.t, "findings in time", r.audit(r.now.Add(time.Minute)), []event.Finding(nil))
	same(r.t, "findings", r.audit(r.now.Add(90*time.Second)), []event.Finding{{Rule: event.RuleLeasesAreEnded, Found: 2, Oldest: first.Deliveries[0].ID}})
}

func auditDue(r rig) {
	s := r.subscribe()
	r.accept(s.ID, due(r.now.Add(time.Hour)))
	late := r.accept(s.ID)
	same(r.t, "findings in time", r.audit(r.now.Add(time.Minute)), []event.Finding(nil))
	same(r.t, "findings", r.audit(r.now.Add(2*time.Minute)), []event.Finding{{Rule: event.RuleDueIsClaimed, Found: 1, Oldest: late.Deliveries[0].ID}})
}

func auditInactive(r rig) {
	r.accept(r.subscribe(func(s *event.Subscription) { s.Active = false }).ID)
	same(r.t, "findings", r.audit(r.now.Add(time.Hour)), []event.Finding(nil))
}

// Audit damages stores in several ways and checks that an audit finds each damage. open returns a
// new store and a function that runs a statement directly on its database.
func Audit(t *testing.T, open func(t *testing.T) (s store.Store, exec func(sql string))) {
	for _, damage := range []struct {
		sql  string
		want event.Rule
	}{
		{`DELETE FROM events`, event.RuleDeliveryHasEvent},
		{`DELETE FROM deliveries`, event.RuleEventHasDeliveries},
		{`DELETE FROM delivery_attempts`, event.RuleAttemptsOnRecord},
		{`UPDATE deliveries SET lease_owner = 'node-x' WHERE status = 1`, event.RuleSettledIsFree},
		{`DELETE FROM subscriptions`, event.RulePendingIsWanted},
	} {
		t.Run(string(damage.want), func(t *testing.T) {
			s, exec := open(t)
			r := newRig(t, s)
			sub := r.subscribe()
			made := r.accept(sub.ID)
			r.record(settle(r.claimOne(), r.tick(), success()))
			waits := r.accept(sub.ID, due(r.now.Add(time.Hour)))
			_, err := s.Rescue(t.Context(), time.Time{}, r.now) // after this, a driver may assume that no lease has run out
			r.must("rescue", err)
			same(t, "findings before", r.audit(r.now), []event.Finding(nil))
			exec(damage.sql)
			want := event.Finding{Rule: damage.want, Found: 1, Oldest: made.Deliveries[0].ID}
			switch damage.want {
			case event.RuleDeliveryHasEvent:
				want.Found = 2
			case event.RuleEventHasDeliveries:
				want.Found, want.Oldest = 2, made.Event.ID
			case event.RulePendingIsWanted:
				want.Oldest = waits.Deliveries[0].ID
			}
			same(t, "findings", r.audit(r.now), []event.Finding{want})
		})
	}
}
