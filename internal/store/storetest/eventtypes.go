package storetest

import (
	"encoding/json"

	"github.com/hookferry/hookferry/internal/event"
)

var eventTypeCases = []testCase{
	{"an event type is returned as it was put", eventTypeRoundTrip},
	{"putting an event type again replaces it", eventTypeReplaced},
	{"an archived event type stays, and is in use again when it is put", eventTypeArchived},
	{"event types are listed by name", eventTypePages},
	{"the changes of the registry are complete from every version", eventTypeChanges},
}

func (r rig) putEventType(t event.EventType) event.EventType {
	r.t.Helper()
	t, _, err := r.s.PutEventType(r.t.Context(), t)
	r.must("put an event type", err)
	return t
}

func (r rig) newEventType(name string) event.EventType {
	at := r.tick()
	return event.EventType{
		Name: name, Description: "an invoice \u00e9 was 'paid'",
		Schema: json.RawMessage(`{"type": "object",  "required":["id"]}`), Example: json.RawMessage(`{"id":  1e400}`),
		CreatedAt: at, UpdatedAt: at,
	}
}

func eventTypeRoundTrip(r rig) {
	want := r.newEventType("invoice.paid")
	got, created, err := r.s.PutEventType(r.t.Context(), want)
	r.must("put an event type", err)
	want.Version = got.Version
	if !created || got.Version < 1 {
		r.t.Errorf("created %v at version %d", created, got.Version)
	}
	same(r.t, "event type when put", got, want)
	read, err := r.s.EventType(r.t.Context(), "invoice.paid")
	r.must("read an event type", err)
	same(r.t, "event type as it is read", read, want)
	bare := r.putEventType(event.EventType{Name: "a", CreatedAt: r.tick(), UpdatedAt: r.tick()})
	if bare.Schema != nil || bare.Example != nil || bare.Archived() {
		r.t.Errorf("got %+v", bare)
	}
	_, err = r.s.EventType(r.t.Context(), "Invoice.paid")
	r.mustFail("read an unknown event type", err, event.ErrNotFound)
}

func eventTypeReplaced(r rig) {
	first := r.putEventType(r.newEventType("a"))
	at := r.tick()
	after, created, err := r.s.PutEventType(r.t.Context(), event.EventType{Name: "a", Description: "other", CreatedAt: at, UpdatedAt: at})
	r.must("put an event type again", err)
	if created || after.Version <= first.Version {
		r.t.Errorf("created %v, version %d then %d", created, first.Version, after.Version)
	}
	same(r.t, "event type", after, event.EventType{Name: "a", Description: "other", CreatedAt: first.CreatedAt, UpdatedAt: at, Version: after.Version})
}

func eventTypeArchived(r rig) {
	first := r.putEventType(r.newEventType("a"))
	at := r.tick()
	archived, err := r.s.ArchiveEventType(r.t.Context(), "a", at)
	r.must("archive an event type", err)
	if !archived.ArchivedAt.Equal(at) || archived.Version <= first.Version {
		r.t.Errorf("got %+v", archived)
	}
	again, err := r.s.ArchiveEventType(r.t.Context(), "a", r.tick())
	r.must("archive it again", err)
	same(r.t, "archived again", again, archived)
	read, err := r.s.EventType(r.t.Context(), "a")
	r.must("read an archived event type", err)
	same(r.t, "as it is read", read, archived)
	if back := r.putEventType(r.newEventType("a")); back.Archived() || !back.CreatedAt.Equal(first.CreatedAt) {
		r.t.Errorf("put again: %+v", back)
	}
	_, err = r.s.ArchiveEventType(r.t.Context(), "b", at)
	r.mustFail("archive an unknown event type", err, event.ErrNotFound)
}

func eventTypePages(r rig) {
	for _, name := range []string{"b.c", "B", "a", "b", "b.a"} {
		r.putEventType(r.newEventType(name))
	}
	_, err := r.s.ArchiveEventType(r.t.Context(), "b", r.tick())
	r.must("archive an event type", err)
	names := func(after string, limit int) (list []string) {
		found, err := r.s.ListEventTypes(r.t.Context(), after, limit)
		r.must("list event types", err)
		for _, t := range found {
			list = append(list, t.Name)
		}
		return list
	}
	same(r.t, "all", names("", 10), []string{"B", "a", "b", "b.a", "b.c"})
	same(r.t, "two after a", names("a", 2), []string{"b", "b.a"})
	same(r.t, "after the last", names("b.c", 2), []string(nil))
}

func eventTypeChanges(r rig) {
	since := func(after int64) (names []string, now int64) {
		changed, now, err := r.s.EventTypesSince(r.t.Context(), after)
		r.must("read the changes of the registry", err)
		for _, t := range changed {
			names = append(names, t.Name)
		}
		return names, now
	}
	if names, now := since(0); len(names) > 0 || now != 1 {
		r.t.Errorf("an empty registry has %v at version %d", names, now)
	}
	r.putEventType(r.newEventType("a"))
	r.putEventType(r.newEventType("b"))
	names, two := since(0)
	same(r.t, "after two", names, []string{"a", "b"})
	_, err := r.s.ArchiveEventType(r.t.Context(), "a", r.tick())
	r.must("archive an event type", err)
	names, three := since(two)
	same(r.t, "after archiving", names, []string{"a"})
	names, _ = since(0)
	same(r.t, "all, in the order of the last change", names, []string{"b", "a"})
	names, now := since(three)
	if len(names) > 0 || now != three || three <= two || two <= 1 {
		r.t.Errorf("versions %d, %d, %d; changes %v", two, three, now, names)
	}
}
