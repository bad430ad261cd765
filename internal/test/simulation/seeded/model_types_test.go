package seeded

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// eventType returns the event type with this name, or nil.
func (m *model) eventType(name string) *event.EventType {
	for _, t := range m.types {
		if t.Name == name {
			return t
		}
	}
	return nil
}

func copyOfType(t event.EventType) event.EventType {
	t.Schema, t.Example = slices.Clone(t.Schema), slices.Clone(t.Example)
	return t
}

func noType(name string) error { return fmt.Errorf("%w: event type %q", event.ErrNotFound, name) }

func (m *model) PutEventType(_ context.Context, t event.EventType) (after event.EventType, created bool, err error) {
	err = m.do(func() error {
		t.CreatedAt, t.UpdatedAt, t.ArchivedAt = kept(t.CreatedAt), kept(t.UpdatedAt), time.Time{}
		old := m.eventType(t.Name)
		if created = old == nil; created {
			old = new(event.EventType)
			m.types = append(m.types, old)
		} else {
			t.CreatedAt = old.CreatedAt
		}
		m.typesVersion++
		t.Version = m.typesVersion
		*old = copyOfType(t)
		after = copyOfType(t)
		return nil
	})
	return after, created, err
}

func (m *model) ArchiveEventType(_ context.Context, name string, at time.Time) (after event.EventType, err error) {
	err = m.do(func() error {
		t := m.eventType(name)
		if t == nil {
			return noType(name)
		}
		if !t.Archived() {
			m.typesVersion++
			t.ArchivedAt, t.Version = kept(at), m.typesVersion
		}
		after = copyOfType(*t)
		return nil
	})
	return after, err
}

func (m *model) EventType(_ context.Context, name string) (t event.EventType, err error) {
	err = m.do(func() error {
		found := m.eventType(name)
		if found == nil {
			return noType(name)
		}
		t = copyOfType(*found)
		return nil
	})
	return t, err
}

func (m *model) ListEventTypes(_ context.Context, after string, limit int) (list []event.EventType, err error) {
	err = m.do(func() error {
		for _, t := range m.types {
			if t.Name > after {
				list = append(list, copyOfType(*t))
			}
		}
		slices.SortFunc(list, func(a, b event.EventType) int { return strings.Compare(a.Name, b.Name) })
		list = list[:min(limit, len(list))]
		return nil
	})
	return list, err
}

func (m *model) EventTypesSince(_ context.Context, after int64) (changed []event.EventType, now int64, err error) {
	err = m.do(func() error {
		for _, t := range m.types {
			if t.Version > after {
				changed = append(changed, copyOfType(*t))
			}
		}
		slices.SortFunc(changed, func(a, b event.EventType) int { return int(a.Version - b.Version) })
		now = m.typesVersion
		return nil
	})
	return changed, now, err
}
