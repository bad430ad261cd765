package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// call is a call of one method of the contract.
type call struct {
	name string
	do   func(ctx context.Context) error
}

// calls returns a call of every method, on a subscription and a delivery that exist.
// Accept stores the offer, and DeleteSubscription comes last.
func (r rig) calls(s event.Subscription, held event.Delivery, offer event.Acceptance) []call {
	k := event.APIKey{ID: event.NewID(r.now), Name: "key", CreatedAt: r.now}
	ignore := func(_ any, err error) error { return err }
	return []call{
		{"Ping", func(ctx context.Context) error { return r.s.Ping(ctx) }},
		{"Accept", func(ctx context.Context) error { return ignore(r.s.Accept(ctx, offer)) }},
		{"Claim", func(ctx context.Context) error { return ignore(r.s.Claim(ctx, r.request(owner("node-b")))) }},
		{"Renew", func(ctx context.Context) error {
			return ignore(r.s.Renew(ctx, []event.LeaseKey{held.LeaseKey()}, held.LeasedUntil))
		}},
		{"Release", func(ctx context.Context) error {
			return r.s.Release(ctx, []event.LeaseKey{{Delivery: held.ID, Owner: "node-z"}})
		}},
		{"Unpark", func(ctx context.Context) error { return ignore(r.s.Unpark(ctx, r.now, 10)) }},
		{"Rescue", func(ctx context.Context) error { return ignore(r.s.Rescue(ctx, time.Time{}, r.now)) }},
		{"Record", func(ctx context.Context) error {
			return r.s.Record(ctx, []event.Settlement{settle(held, r.now, failure())})
		}},
		{"Cancel", func(ctx context.Context) error { return ignore(r.s.Cancel(ctx, held.ID, r.now)) }},
		{"Resend", func(ctx context.Context) error {
			_, err := r.s.Resend(ctx, held.ID, r.now, true)
			if errors.Is(err, event.ErrNotSettled) {
				return nil
			}
			return err
		}},
		{"Delivery", func(ctx context.Context) error { return ignore(r.s.Delivery(ctx, held.ID)) }},
		{"EventDeliveries", func(ctx context.Context) error { return ignore(r.s.EventDeliveries(ctx, held.EventID, 10)) }},
		{"ListAttempts", func(ctx context.Context) error { return ignore(r.s.ListAttempts(ctx, s.ID, event.ID{}, 10)) }},
		{"Depth", func(ctx context.Context) error { return ignore(r.s.Depth(ctx, r.now)) }},
		{"Waiting", func(ctx context.Context) error { return ignore(r.s.Waiting(ctx, 1)) }},
		{"Audit", func(ctx context.Context) error { return ignore(r.s.Audit(ctx, r.now, r.now.Add(-day))) }},
		{"Count", func(ctx context.Context) error { return ignore(r.s.Count(ctx)) }},
		{"CreateKey", func(ctx context.Context) error { return r.s.CreateKey(ctx, k) }},
		{"KeyByHash", func(ctx context.Context) error { return ignore(r.s.KeyByHash(ctx, k.Hash)) }},
		{"ListKeys", func(ctx context.Context) error { return ignore(r.s.ListKeys(ctx)) }},
		{"KeyUsed", func(ctx context.Context) error { return r.s.KeyUsed(ctx, k.ID, r.now) }},
		{"RevokeKey", func(ctx context.Context) error { return r.s.RevokeKey(ctx, k.ID, r.now) }},
		{"Expire", func(ctx context.Context) error {
			return ignore(r.s.Expire(ctx, r.now.Add(-day), r.now, 10))
		}},
		{"CreateSubscription", func(ctx context.Context) error {
			return r.s.CreateSubscription(ctx, event.Subscription{ID: event.NewID(r.now), CreatedAt: r.now, UpdatedAt: r.now})
		}},
		{"Subscription", func(ctx context.Context) error { return ignore(r.s.Subscription(ctx, s.ID)) }},
		{"ListSubscriptions", func(ctx context.Context) error { return ignore(r.s.ListSubscriptions(ctx, event.ID{}, 10)) }},
		{"ReplaceSubscription", func(ctx context.Context) error {
			replaced := s
			replaced.Revision = 0
			return ignore(r.s.ReplaceSubscription(ctx, replaced))
		}},
		{"PauseSubscription", func(ctx context.Context) error {
			return ignore(r.s.PauseSubscription(ctx, s.ID, event.Pause{At: r.now}))
		}},
		{"ResumeSubscription", func(ctx context.Context) error { return ignore(r.s.ResumeSubscription(ctx, s.ID, r.now)) }},
		{"SwapSecrets", func(ctx context.Context) error { return ignore(r.s.SwapSecrets(ctx, s, s)) }},
		{"DeleteSubscription", func(ctx context.Context) error { return r.s.DeleteSubscription(ctx, s.ID, r.now, 0) }},
	}
}

// returns fails the case if the call does not return. The wait is long, because it is only
// meant to name the call that hangs.
func (r rig) returns(what string, f func() error) error {
	r.t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		r.t.Fatalf("%s hangs", what)
		return nil
	}
}
