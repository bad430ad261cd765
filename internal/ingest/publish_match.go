package ingest

import (
	"context"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest/match"
)

// Match says for each subscription of the tenant with an id after this one whether it would get the
// event, at most limit of them, ordered by id. It stores nothing. More reports whether there are
// others. The errors are those of Publish, except for those about limits.
func (p *Publisher) Match(ctx context.Context, pub event.Publication, after event.ID, limit int) (list []event.Match, more bool, err error) {
	o, err := p.newOffer(pub)
	if err != nil {
		return nil, false, err
	}
	if err := p.o.Types.Update(ctx); err != nil {
		return nil, false, err
	}
	if _, err := p.o.Types.check(ctx, pub.Type, pub.Data); err != nil {
		return nil, false, err
	}
	err = p.withTenant(ctx, o, func() error { return p.tenants.refresh(ctx, o.tenant) })
	if err != nil {
		return nil, false, err
	}
	subs := o.tenant.index.After(after, limit+1)
	if only := pub.Subscription; !only.IsZero() {
		found := o.tenant.index.Get(only)
		if found == nil {
			return nil, false, noSubscription(only)
		}
		subs = []*match.Subscription{found}
	}
	if more = len(subs) > limit; more {
		subs = subs[:limit]
	}
	for _, s := range subs {
		matched, reason := s.Match(&o.match)
		list = append(list, event.Match{Subscription: s.ID, Matched: matched, Rule: string(reason.Rule), Reason: reason.String()})
	}
	return list, more, nil
}
