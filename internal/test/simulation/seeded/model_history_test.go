package seeded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

func (m *model) Delivery(_ context.Context, id event.ID) (report event.DeliveryReport, err error) {
	err = m.do(func() error {
		r := m.row(id)
		if r == nil {
			return fmt.Errorf("%w: delivery %s", event.ErrNotFound, id)
		}
		report = event.DeliveryReport{Delivery: r.d, EventType: r.e.Type, Attempts: slices.Clone(r.attempts)}
		slices.SortStableFunc(report.Attempts, func(a, b event.Attempt) int { return a.Number - b.Number })
		return nil
	})
	return report, err
}

func (m *model) EventDeliveries(_ context.Context, id event.ID, limit int) (ids []event.ID, err error) {
	err = m.do(func() error {
		for _, r := range m.rows {
			if r.e.ID == id {
				ids = append(ids, r.d.ID)
			}
		}
		ids, err = store.FirstIDs(ids, limit, id)
		return err
	})
	return ids, err
}

func (m *model) ListAttempts(_ context.Context, subscription, before event.ID, limit int) (page []event.AttemptReport, err error) {
	err = m.do(func() error {
		for _, r := range m.rows {
			for _, a := range r.attempts {
				if a.SubscriptionID == subscription && (before.IsZero() || compare(a.ID, before) < 0) {
					page = append(page, event.AttemptReport{Attempt: a, EventID: r.e.ID, EventType: r.e.Type})
				}
			}
		}
		slices.SortFunc(page, func(a, b event.AttemptReport) int { return compare(b.Attempt.ID, a.Attempt.ID) })
		page = page[:min(limit, len(page))]
		return nil
	})
	return page, err
}

func (m *model) Depth(_ context.Context, now time.Time) (depth event.Depth, err error) {
	err = m.do(func() error {
		for _, r := range m.rows {
			if r.d.Status != event.Pending {
				continue
			}
			depth.Pending++
			switch sub := m.sub(r.d.SubscriptionID); {
			case r.isLeased():
				depth.Leased++
			case !r.d.DueAt.After(now) && sub.Active && !sub.Paused():
				depth.Due++
				depth.OldestDue = max(depth.OldestDue, now.Sub(r.d.DueAt))
			}
		}
		return nil
	})
	return depth, err
}

// isLeased reports whether a node has the lease.
func (r *row) isLeased() bool { return r.d.LeaseOwner != "" && r.d.LeaseOwner != event.ParkedOwner }

func (m *model) Waiting(_ context.Context, many int) (w event.Waiting, err error) {
	w.Many = map[event.ID]int{}
	err = m.do(func() error {
		for _, r := range m.rows {
			if r.d.Status == event.Pending && !r.isLeased() {
				w.Total++
				w.Many[r.d.SubscriptionID]++
			}
		}
		return nil
	})
	for id, n := range w.Many {
		if n < many {
			delete(w.Many, id)
		}
	}
	return w, err
}

func (m *model) Count(context.Context) (n map[event.Status]int, err error) {
	n = map[event.Status]int{}
	err = m.do(func() error {
		for _, r := range m.rows {
			n[r.d.Status]++
		}
		return nil
	})
	return n, err
}

// Audit does not check that a delivery has its event, to which a row points here, nor that an event
// has its deliveries, which TestSeeds counts itself.
func (m *model) Audit(_ context.Context, now, _ time.Time) (findings []event.Finding, err error) {
	before := store.AuditedBefore(now)
	err = m.do(func() error {
		for _, rule := range []struct {
			name   event.Rule
			broken func(r *row) bool
		}{
			{event.RuleAttemptsOnRecord, func(r *row) bool { return r.d.Attempts > len(r.attempts) }},
			{event.RuleSettledIsFree, func(r *row) bool { return r.d.Status != event.Pending && r.d.LeaseOwner != "" }},
			{event.RulePendingIsWanted, func(r *row) bool {
				s := m.sub(r.d.SubscriptionID)
				return r.d.Status == event.Pending && (s == nil || s.Deleted())
			}},
			{event.RuleLeasesAreEnded, func(r *row) bool {
				return r.d.Status == event.Pending && r.d.LeaseOwner != "" && r.d.LeasedUntil.Before(before)
			}},
			{event.RuleDueIsClaimed, func(r *row) bool {
				return r.d.Status == event.Pending && r.d.LeaseOwner == "" && r.d.DueAt.Before(before) && m.sub(r.d.SubscriptionID).Active
			}},
		} {
			if f := m.findings(rule.broken); f.Found > 0 {
				f.Rule = rule.name
				findings = append(findings, f)
			}
		}
		return nil
	})
	return findings, err
}

func (m *model) findings(broken func(r *row) bool) (f event.Finding) {
	for _, r := range m.rows {
		if !broken(r) {
			continue
		}
		if f.Found == 0 || compare(r.d.ID, f.Oldest) < 0 {
			f.Oldest = r.d.ID
		}
		f.Found = min(f.Found+1, event.FindingsMost)
	}
	return f
}

func (m *model) CreateKey(_ context.Context, k event.APIKey) error {
	return m.do(func() error {
		k.CreatedAt, k.ExpiresAt, k.RevokedAt = kept(k.CreatedAt), kept(k.ExpiresAt), kept(k.RevokedAt)
		m.api = append(m.api, &k)
		return nil
	})
}

func (m *model) KeyByHash(_ context.Context, hash [32]byte) (k event.APIKey, err error) {
	err = m.do(func() error {
		for _, found := range m.api {
			if found.Hash == hash {
				k = *found
				return nil
			}
		}
		return fmt.Errorf("%w: API key", event.ErrNotFound)
	})
	return k, err
}

func (m *model) ListKeys(context.Context) (list []event.APIKey, err error) {
	err = m.do(func() error {
		for _, k := range m.api {
			list = append(list, *k)
		}
		return nil
	})
	return list, err
}

func (m *model) RevokeKey(_ context.Context, id event.ID, at time.Time) error {
	return m.do(func() error {
		for _, k := range m.api {
			if k.ID == id && k.RevokedAt.IsZero() {
				k.RevokedAt = kept(at)
				return nil
			}
		}
		return fmt.Errorf("%w: no valid API key %s", event.ErrNotFound, id)
	})
}

func (m *model) KeyUsed(_ context.Context, id event.ID, at time.Time) error {
	return m.do(func() error {
		for _, k := range m.api {
			if k.ID == id && k.UsedAt.Before(kept(at)) {
				k.UsedAt = kept(at)
			}
		}
		return nil
	})
}

// Expire deletes what is old, then cancels what has waited too long, then deletes the rest.
func (m *model) Expire(_ context.Context, before, now time.Time, limit int) (n int, err error) {
	step := func(old bool) bool { // reports whether this one is processed
		if old = old && n < limit; old {
			n++
		}
		return old
	}
	err = m.do(func() error {
		m.rows = slices.DeleteFunc(m.rows, func(r *row) bool {
			return step(r.d.Status != event.Pending && r.d.SettledAt.Before(before))
		})
		with := n
		m.events = slices.DeleteFunc(m.events, func(e *stored) bool {
			last := with > 0 && e.deliveries > 0 // deleted with its last delivery
			none := e.deliveries == 0 && e.CreatedAt.Before(before)
			return (last || none) && !m.hasDeliveries(e) && (last || step(true))
		})
		if n > 0 {
			return nil
		}
		for _, r := range m.rows {
			s := m.sub(r.d.SubscriptionID)
			old := r.d.Status == event.Pending && r.d.CreatedAt.Before(before)
			forgotten := !s.Active && s.inactiveSince.Before(before) || s.Paused() && s.PausedAt.Before(before)
			if step(old && forgotten && r.d.DueAt.Before(before) && !r.isLeased()) {
				r.cancel(now)
			}
		}
		if n == 0 {
			m.expireRest(before)
		}
		return nil
	})
	return n, err
}

func (m *model) hasDeliveries(e *stored) bool {
	return slices.ContainsFunc(m.rows, func(r *row) bool { return r.e == e })
}

func (m *model) expireRest(before time.Time) {
	m.keys = slices.DeleteFunc(m.keys, func(k *key) bool { return k.at.Before(before) })
	m.subs = slices.DeleteFunc(m.subs, func(s *subscription) bool {
		return s.Deleted() && s.DeletedAt.Before(before) && !slices.ContainsFunc(m.rows, func(r *row) bool { return r.d.SubscriptionID == s.ID })
	})
}

var errFault = errors.Join(errors.New("the connection broke"), event.ErrUnavailable)
