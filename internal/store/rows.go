package store

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// IsRefusal reports whether err says that a rule refused an operation. Then nothing was
// written, and the database works.
func IsRefusal(err error) bool {
	return errors.Is(err, event.ErrNotFound) || errors.Is(err, event.ErrKeyReused) || errors.Is(err, event.ErrInactive) ||
		errors.Is(err, event.ErrNotSettled) || errors.Is(err, event.ErrDelivered)
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

// JSON returns v as JSON text. It can't fail: drivers keep lists and maps of strings
// and numbers as JSON.
func JSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
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
}

// EncodeSubscription returns the row to write.
func EncodeSubscription[S string | []byte](sub event.Subscription) SubscriptionRow[S] {
	r := SubscriptionRow[S]{
		Subscription: sub, PlainSecrets: make([]S, len(sub.Secrets)), PlainHeaders: sub.Headers, TimeoutUS: sub.Timeout.Microseconds(),
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

// Decode returns the subscription of a row that was read.
func (r *SubscriptionRow[S]) Decode() event.Subscription {
	sub := r.Subscription
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
	return sub
}
