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

// IsRefusal reports whether err means that a rule refused an operation. In that case nothing was
// written, and nothing is wrong with the database.
func IsRefusal(err error) bool {
	return errors.Is(err, event.ErrNotFound) || errors.Is(err, event.ErrKeyReused) || errors.Is(err, event.ErrInactive) ||
		errors.Is(err, event.ErrNotSettled) || errors.Is(err, event.ErrDelivered) || errors.Is(err, event.ErrChanged) ||
		errors.Is(err, event.ErrStale) || errors.Is(err, event.ErrUIDTaken) || errors.Is(err, event.ErrTenantLimit) || errors.Is(err, event.ErrBuiltIn)
}

// PageEnd returns the exclusive upper bound of the ids on a page: before, or the highest id if
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

// FirstIDs sorts the ids of an event's deliveries, removes duplicates, and returns the first
// limit of them. It returns ErrNotFound if there are none.
func FirstIDs(ids []event.ID, limit int, of event.ID) ([]event.ID, error) {
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: deliveries of event %s", event.ErrNotFound, of)
	}
	slices.SortFunc(ids, func(a, b event.ID) int { return bytes.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	return ids[:min(limit, len(ids))], nil
}

// JSON returns v as JSON text. It is for values that can always be encoded, such as lists and maps
// of strings and numbers, and panics otherwise.
func JSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Qualified puts the name of a table before each column: for "id, code" and the table a it
// returns "a.id, a.code".
func Qualified(table, columns string) string {
	list := strings.Split(columns, ",")
	for i, name := range list {
		list[i] = table + "." + strings.TrimSpace(name)
	}
	return strings.Join(list, ", ")
}

// SubscriptionRow is a subscription in the form of a driver's columns. S is the type of a secret
// in them. The row needs its own fields for secrets and headers, because event.Secret and
// event.Headers encode themselves as placeholders, so that no log shows them.
type SubscriptionRow[S string | []byte] struct {
	event.Subscription     // its Secrets, Headers, Timeout, RetrySchedule and Settings are in the following fields
	PlainSecrets       []S // never nil when it is written
	PlainHeaders       map[string]string
	TimeoutUS          int64   // microseconds
	ScheduleUS         []int64 // microseconds; nil if the subscription has no schedule of its own
	SettingsJSON       string  // the settings without a column of their own
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

// Decode returns the subscription of a row that was read. It ignores settings that this release
// does not know.
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

// Column is one column of a row: its name, the value to write, and the pointer to read into. A
// driver lists the columns of a table in one function, and builds its statements from that list.
type Column struct {
	Name  string
	Value any
	Into  any
}

// Columns are the columns of a row in order.
type Columns []Column

// Names returns the names, separated by commas, for INSERT and SELECT.
func (cs Columns) Names() string {
	return cs.join(func(_ int, name string) string { return name })
}

// Parameters returns a parameter for each column, numbered from 1: for the mark "$" it
// returns "$1, $2".
func (cs Columns) Parameters(mark string) string {
	return cs.join(func(n int, _ string) string { return mark + strconv.Itoa(n) })
}

// Assignments returns the assignments of an UPDATE, with the parameters of Parameters.
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

// Values returns the values to write, followed by the values of further parameters.
func (cs Columns) Values(more ...any) []any {
	list := make([]any, 0, len(cs)+len(more))
	for _, c := range cs {
		list = append(list, c.Value)
	}
	return append(list, more...)
}

// Into returns the pointers to read the columns into.
func (cs Columns) Into() []any {
	list := make([]any, len(cs))
	for i, c := range cs {
		list[i] = c.Into
	}
	return list
}

// Without returns the columns except for those with the given names.
func (cs Columns) Without(names ...string) Columns {
	return slices.DeleteFunc(slices.Clone(cs), func(c Column) bool { return slices.Contains(names, c.Name) })
}

// Replaced returns the columns that ReplaceSubscription writes. The secrets are among them unless
// they are nil.
func (r *SubscriptionRow[S]) Replaced(all Columns) Columns {
	replaced := all.Without("id", "tenant_no", "created_at", "deleted_at", "revision", "paused_at", "paused_by", "paused_reason")
	if r.Secrets == nil {
		return replaced.Without("secrets")
	}
	return replaced
}
