package ingest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest/match"
)

// latePermitted is how long ago deliver_at may be. It counts as now, because clocks differ.
const latePermitted = time.Minute

// checkPublication checks everything but what the registry of event types says. The error is an
// *InvalidError, or wraps ErrMalformed.
func checkPublication(p *event.Publication, now time.Time, retention time.Duration) error {
	if problem := event.CheckName(p.Tenant); problem != "" {
		return event.Invalid("tenant", problem)
	}
	if problem := event.CheckEventType(p.Type); problem != "" {
		return event.Invalid("event", problem)
	}
	if len(p.Data) == 0 {
		return event.Invalid("data", "is missing; it can be any JSON value")
	}
	if !utf8.Valid(p.Data) || !jsontext.Value(p.Data).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		return fmt.Errorf("%w: data is not one valid JSON value in UTF-8", event.ErrMalformed)
	}
	if err := match.CheckChannels(p.Channels); err != nil {
		return err
	}
	if err := event.CheckMetadata(p.Metadata); err != nil {
		return err
	}
	return checkDeliverAt(p.DeliverAt, now, retention)
}

func checkDeliverAt(at, now time.Time, retention time.Duration) error {
	switch {
	case at.IsZero():
		return nil
	case at.Before(now.Add(-latePermitted)):
		return event.Invalid("deliver_at", fmt.Sprintf("is %s ago; it may be in the future, or up to %v ago, which means now", now.Sub(at).Round(time.Second), latePermitted))
	case at.After(now.Add(retention)):
		return event.Invalid("deliver_at", fmt.Sprintf("is %s ahead; it may be at most the log retention ahead, %v", at.Sub(now).Round(time.Second), retention))
	}
	return nil
}

// eventOf returns the event to store. Its payload is what ingest would have received.
func eventOf(p *event.Publication, now time.Time) event.Event {
	e := event.Event{ID: event.NewID(now), Type: p.Type, ContentType: "application/json", CreatedAt: now, SingleAttempt: p.SingleAttempt}
	const before, between, after = `{"event":"`, `","data":`, `}`
	e.Payload = make([]byte, 0, len(before)+len(p.Type)+len(between)+len(p.Data)+len(after))
	e.Payload = append(e.Payload, before...)
	e.Payload = append(e.Payload, p.Type...) // CheckEventType permits nothing that JSON would escape
	e.Payload = append(e.Payload, between...)
	e.DataAt, e.DataLen = len(e.Payload), len(p.Data)
	e.Payload = append(e.Payload, p.Data...)
	e.Payload = append(e.Payload, after...)
	if len(p.Channels) > 0 || len(p.Metadata) > 0 || !p.DeliverAt.IsZero() || !p.Subscription.IsZero() {
		e.Attributes = &event.Attributes{Channels: p.Channels, Metadata: p.Metadata, DeliverAt: p.DeliverAt, Only: p.Subscription}
	}
	return e
}

// bodyHash returns the hash by which two publications with one idempotency key are compared. The
// order of metadata makes no difference; that of channels does. A change of the form would make the
// same publication another one after an upgrade, so it never changes.
func bodyHash(p *event.Publication) [32]byte {
	var b []byte
	add := func(field []byte) {
		b = binary.BigEndian.AppendUint64(b, uint64(len(field)))
		b = append(b, field...)
	}
	count := func(n int) { b = binary.BigEndian.AppendUint64(b, uint64(n)) }
	add([]byte("publication 1"))
	add([]byte(p.Tenant))
	add([]byte(p.Type))
	add(p.Data)
	count(len(p.Channels))
	for _, c := range p.Channels {
		add([]byte(c))
	}
	count(len(p.Metadata))
	for _, name := range slices.Sorted(maps.Keys(p.Metadata)) {
		add([]byte(name))
		add([]byte(p.Metadata[name]))
	}
	var at []byte
	if !p.DeliverAt.IsZero() {
		at = p.DeliverAt.UTC().AppendFormat(nil, time.RFC3339Nano)
	}
	add(at)
	add(p.Subscription[:])
	retry := byte(1)
	if p.SingleAttempt {
		retry = 0
	}
	b = append(b, retry)
	return sha256.Sum256(b)
}
