package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// IsRefusal reports whether err says that a rule refused an operation. Then nothing was
// written, and the database works.
func IsRefusal(err error) bool {
	return errors.Is(err, event.ErrNotFound) || errors.Is(err, event.ErrKeyReused) || errors.Is(err, event.ErrInactive) ||
		errors.Is(err, event.ErrNotSettled) || errors.Is(err, event.ErrDelivered) || errors.Is(err, event.ErrChanged)
}

// PageEnd returns the id that all ids of a page are below: before, or the highest id if
// before is zero.
func PageEnd(before event.ID) event.ID {
	if !before.IsZero() {
		return before
	}
	var highest event.ID
	for i := range highest {
		highest[i] = 0xff
	}
	return highest
}

// FirstIDs returns the limit smallest of the ids of an event's deliveries, each once, or
// ErrNotFound if there are none.
func FirstIDs(ids []event.ID, limit int, of event.ID) ([]event.ID, error) {
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: deliveries of event %s", event.ErrNotFound, of)
	}
	slices.SortFunc(ids, func(a, b event.ID) int { return bytes.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	return ids[:min(limit, len(ids))], nil
}

// JSON returns v as JSON text. It can't fail: drivers keep lists and maps of strings
// and numbers as JSON.
func JSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Qualified returns a list of columns with the name of their table: of "id, code" and the
// table a it returns "a.id, a.code".
func Qualified(table, columns string) string {
	list := strings.Split(columns, ",")
	for i, name := range list {
		list[i] = table + "." + strings.TrimSpace(name)
	}
	return strings.Join(list, ", ")
}

// SubscriptionRow is a subscription as the columns of a driver hold it. S is what a
// secret is in them: event.Secret and event.Headers write themselves as placeholders,
// so that no log shows them.
type SubscriptionRow[S string | []byte] struct {
	event.Subscription     // without what follows
	PlainSecrets       []S // never nil when it is written
	PlainHeaders       map[string]string
	TimeoutUS          int64   // microseconds
	ScheduleUS         []int64 // microseconds; nil if the subscription has no schedule of its own
	SettingsJSON       string  // the settings that have no column
}

// EncodeSubscription returns the row to write.
func EncodeSubscription[S string | []byte](sub event.Subscription) SubscriptionRow[S] {
	r := SubscriptionRow[S]{
		Subscription: sub, PlainSecrets: make([]S, len(sub.Secrets)), PlainHeaders: sub.Headers, TimeoutUS: sub.Timeout.Microseconds(),
		SettingsJSON: JSON(sub.Settings),
	}
	for i, secret := range sub.Secrets {
		r.PlainSecrets[i] = S(secret)
	}
	if sub.RetrySchedule != nil {
		r.ScheduleUS = make([]int64, len(sub.RetrySchedule))
	}
	for i, delay := range sub.RetrySchedule {
		r.ScheduleUS[i] = delay.Microseconds()
	}
	return r
}

// Decode returns the subscription of a row that was read. A setting that this release does not
// know is left out.
func (r *SubscriptionRow[S]) Decode() (event.Subscription, error) {
	sub := r.Subscription
	if err := json.Unmarshal([]byte(r.SettingsJSON), &sub.Settings); err != nil {
		return sub, fmt.Errorf("read the settings of subscription %s: %w", sub.ID, err)
	}
	sub.Headers = r.PlainHeaders
	sub.Timeout = time.Duration(r.TimeoutUS) * time.Microsecond
	sub.Secrets, sub.RetrySchedule = nil, nil
	for _, secret := range r.PlainSecrets {
		sub.Secrets = append(sub.Secrets, event.Secret(secret))
	}
	if r.ScheduleUS != nil {
		sub.RetrySchedule = make(event.RetryPolicy, len(r.ScheduleUS))
	}
	for i, us := range r.ScheduleUS {
		sub.RetrySchedule[i] = time.Duration(us) * time.Microsecond
	}
	return sub, nil
}

// Column is one column of a row: its name, the value to write to it, and what reads it.
// A driver lists the columns of a table once, in one function, and its statements are
// made from that list.
type Column struct {
	Name  string
	Value any
	Into  any
}

// Columns are the columns of a row in their order.
type Columns []Column

// Names returns the names, as INSERT and SELECT list them.
func (cs Columns) Names() string {
	return cs.join(func(_ int, name string) string { return name })
}

// Parameters returns a parameter for each column, numbered from 1: with the mark "$", it
// returns "$1, $2".
func (cs Columns) Parameters(mark string) string {
	return cs.join(func(n int, _ string) string { return mark + strconv.Itoa(n) })
}

// Assignments returns what UPDATE sets, with the parameters that Parameters returns.
func (cs Columns) Assignments(mark string) string {
	return cs.join(func(n int, name string) string { return name + " = " + mark + strconv.Itoa(n) })
}

func (cs Columns) join(f func(n int, name string) string) string {
	list := make([]string, len(cs))
	for i, c := range cs {
		list[i] = f(i+1, c.Name)
	}
	return strings.Join(list, ", ")
}

// Values returns what to write, followed by the values of further parameters.
func (cs Columns) Values(more ...any) []any {
	list := make([]any, 0, len(cs)+len(more))
	for _, c := range cs {
		list = append(list, c.Value)
	}
	return append(list, more...)
}

// Into returns what reads the columns.
func (cs Columns) Into() []any {
	list := make([]any, len(cs))
	for i, c := range cs {
		list[i] = c.Into
	}
	return list
}

// Without returns the columns that have none of the names.
func (cs Columns) Without(names ...string) Columns {
	return slices.DeleteFunc(slices.Clone(cs), func(c Column) bool { return slices.Contains(names, c.Name) })
}

// Replaced returns the columns of a subscription that ReplaceSubscription writes. The
// secrets are among them unless they are nil.
func (r *SubscriptionRow[S]) Replaced(all Columns) Columns {
	replaced := all.Without("id", "created_at", "deleted_at", "revision", "paused_at", "paused_by", "paused_reason")
	if r.Secrets == nil {
		return replaced.Without("secrets")
	}
	return replaced
}
