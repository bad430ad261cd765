package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookferry/hookferry/internal/event"
)

// ListSubscriptions reads a page of the subscriptions that are not deleted.
func (s *Store) ListSubscriptions(ctx context.Context, q event.SubscriptionQuery) ([]event.Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	sql, args := listSubscriptions(q)
	var list []event.Subscription
	err := s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (event.Subscription, error) { return s.scanSubscription(row) })
		return err
	})
	if err != nil {
		return nil, fail("list subscriptions", err)
	}
	if !q.Before.IsZero() {
		slices.Reverse(list)
	}
	return list, nil
}

// listSubscriptions returns the statement for a page, which an index of the order serves. A page
// that ends before a position is read backwards.
func listSubscriptions(q event.SubscriptionQuery) (sql string, args []any) {
	l := lister{position: q.After, above: ">", below: "<", up: "", down: " DESC"}
	if !q.Before.IsZero() {
		l = lister{position: q.Before, above: "<", below: ">", up: " DESC", down: ""}
	}
	l.arg(q.Limit)
	if q.TenantNo != nil {
		l.tenant = l.arg(*q.TenantNo)
	}
	if q.Order == event.OrderName {
		sql = l.byName()
	} else {
		sql = l.part(l.beyond(`s.id`, l.below, l.arg(cursor(l.position.ID))), l.order(l.down, `s.id`+l.down))
	}
	return sql, l.args
}

// lister composes the statement for a page. Its first parameter is the limit. above and up are how
// names continue, below and down how ids do.
//
// A tenant is a range of one number, and the first column of the order. So only an index that begins
// with the tenant gives the order. If the tenant were a simple condition, PostgreSQL would read all
// subscriptions in their order where it expects that most are of that tenant.
type lister struct {
	position               event.SubscriptionPosition
	above, below, up, down string
	tenant                 string // the parameter; "" for all tenants
	args                   []any
}

// arg adds a parameter and returns its name.
func (l *lister) arg(v any) string {
	l.args = append(l.args, v)
	return fmt.Sprintf("$%d", len(l.args))
}

// part selects the rows for which a condition is true.
func (l *lister) part(condition, order string) string {
	return `SELECT ` + subscriptionNames + ` FROM ` + withHealth + ` WHERE s.deleted_at IS NULL AND ` + condition + ` ORDER BY ` + order + ` LIMIT $1`
}

// beyond is true for rows of the tenant whose column is above or below a value.
func (l *lister) beyond(column, comparison, value string) string {
	if l.tenant == "" {
		return column + comparison + value
	}
	end := map[string]string{"<": ">=", ">": "<="}[comparison]
	return `(s.tenant_no, ` + column + `) ` + comparison + ` (` + l.tenant + `, ` + value + `) AND s.tenant_no ` + end + ` ` + l.tenant
}

// order returns an order of the tenant's rows.
func (l *lister) order(direction, columns string) string {
	if l.tenant == "" {
		return columns
	}
	return `s.tenant_no` + direction + `, ` + columns
}

// byName selects by name, and then by id in the other direction. An index can't serve one condition
// for both, so there are two parts: the rest of those with the name of the position, and those with
// the names after it.
func (l *lister) byName() string {
	order := l.order(l.up, `s.name`+l.up+`, s.id`+l.down)
	if l.position.IsZero() {
		return l.part(l.all(), order)
	}
	name, id := l.arg(clean(l.position.Name)), l.arg(cursor(l.position.ID))
	parts := []string{
		l.part(l.named(name)+` AND s.id `+l.below+` `+id, order),
		l.part(l.beyond(`s.name`, l.above, name), order),
	}
	return `SELECT * FROM ((` + strings.Join(parts, `) UNION ALL (`) + `)) AS s ORDER BY ` + order + ` LIMIT $1`
}

// all is true for all rows of the tenant, and named for those with a name.
func (l *lister) all() string {
	if l.tenant == "" {
		return `true`
	}
	return `s.tenant_no BETWEEN ` + l.tenant + ` AND ` + l.tenant
}

func (l *lister) named(name string) string {
	if l.tenant == "" {
		return `s.name = ` + name
	}
	both := `(` + l.tenant + `, ` + name + `)`
	return `(s.tenant_no, s.name) >= ` + both + ` AND (s.tenant_no, s.name) <= ` + both
}
