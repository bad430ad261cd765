package sqlite

import (
	"context"
	"slices"

	"github.com/hookferry/hookferry/internal/event"
)

// subscriptionRange is a part of a page of subscriptions. An index contains it in its order.
type subscriptionRange struct {
	where string
	order string
	args  []any
}

// sql returns the statement that reads the range. Its last parameter is the limit.
func (r subscriptionRange) sql() string {
	return selectSubscriptions + `WHERE deleted_at = 0` + r.where + ` ORDER BY ` + r.order + ` LIMIT ?`
}

// ListSubscriptions reads a page of the subscriptions that are not deleted.
func (s *Store) ListSubscriptions(ctx context.Context, q event.SubscriptionQuery) ([]event.Subscription, error) {
	const what = "list subscriptions"
	list := []event.Subscription{}
	for _, r := range rangesOf(&q) {
		rows, err := s.reads.QueryContext(ctx, r.sql(), append(r.args, q.Limit-len(list))...)
		if err != nil {
			return nil, unavailable(what, err)
		}
		part, err := collect(what, rows, func() (event.Subscription, error) { return scanSubscription(rows) })
		if err != nil {
			return nil, err
		}
		if list = append(list, part...); len(list) >= q.Limit {
			break
		}
	}
	if !q.Before.IsZero() {
		slices.Reverse(list)
	}
	return list, nil
}

// rangesOf returns the ranges of a page, one after the other. If the page ends before a position,
// they are read from there backwards.
func rangesOf(q *event.SubscriptionQuery) []subscriptionRange {
	at, backwards := q.After, false
	if !q.Before.IsZero() {
		at, backwards = q.Before, true
	}
	var ranges []subscriptionRange
	switch {
	case q.Order == event.OrderCreated && backwards:
		ranges = []subscriptionRange{{` AND id > ?`, `id`, []any{at.ID[:]}}}
	case q.Order == event.OrderCreated:
		ranges = []subscriptionRange{{` AND id < ?`, `id DESC`, []any{cursor(at.ID)}}}
	case backwards:
		ranges = []subscriptionRange{
			{` AND name = ? AND id > ?`, `id`, []any{at.Name, at.ID[:]}},
			{` AND name < ?`, `name DESC, id`, []any{at.Name}},
		}
	case at.IsZero():
		ranges = []subscriptionRange{{` AND name >= ?`, `name, id DESC`, []any{""}}}
	default:
		ranges = []subscriptionRange{
			{` AND name = ? AND id < ?`, `id DESC`, []any{at.Name, at.ID[:]}},
			{` AND name > ?`, `name, id DESC`, []any{at.Name}},
		}
	}
	if q.TenantNo != nil {
		for i := range ranges {
			ranges[i].where = ` AND tenant_no = ?` + ranges[i].where
			ranges[i].args = append([]any{*q.TenantNo}, ranges[i].args...)
		}
	}
	return ranges
}
