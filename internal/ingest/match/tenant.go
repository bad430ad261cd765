package match

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"github.com/hookferry/hookferry/internal/event"
)

// Tenant is the index of a tenant's subscriptions at a version of the tenant. A match reads only
// the subscriptions that name the event's type, those with a pattern that fits it and those that
// want all types. The number of other subscriptions makes no difference. A Tenant is safe for
// concurrent use.
type Tenant struct {
	mu      sync.RWMutex
	version int64
	all     list
	exact   map[string]list // active, by each type that they name
	below   map[string]list // active, by the prefix of each pattern: "user." for user.*
	rest    list            // active, with no patterns or one that may fit any type
}

// NewTenant returns an index of all subscriptions of a tenant at this version.
func NewTenant(version int64, subscriptions []*Subscription) *Tenant {
	t := &Tenant{version: version, exact: map[string]list{}, below: map[string]list{}}
	for _, s := range subscriptions {
		t.put(s)
	}
	return t
}

// Changes are the changes of a tenant's subscriptions after version From, up to version To.
type Changes struct {
	From, To int64
	Put      []*Subscription // created or changed, as they are at To or later
	Removed  []event.ID      // deleted
}

// Version returns the version of the index.
func (t *Tenant) Version() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.version
}

// Apply applies the changes, and reports whether the index now has them. If they begin after its
// version, some changes in between are missing, and Apply does nothing. Changes that the index
// already has do nothing either, so several goroutines may apply the same ones.
func (t *Tenant) Apply(c Changes) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.To <= t.version {
		return true
	}
	if c.From > t.version {
		return false
	}
	for _, id := range c.Removed {
		t.remove(id)
	}
	for _, s := range c.Put {
		t.remove(s.ID)
		t.put(s)
	}
	t.version = c.To
	return true
}

// Match appends the subscriptions that match the event, ordered by id. It returns the version
// of the index that it used.
func (t *Tenant) Match(to []*Subscription, e *Event) (matched []*Subscription, version int64) {
	start := len(to)
	to, version = t.candidates(to, e.Type)
	matched = to[:start]
	for _, s := range to[start:] {
		if s.failingRule(e) == "" {
			matched = append(matched, s)
		}
	}
	clear(to[len(matched):]) // so that the others can be garbage collected
	return matched, version
}

// candidates appends each subscription that may want the type, once and ordered by id.
func (t *Tenant) candidates(to []*Subscription, eventType string) ([]*Subscription, int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	start, lists := len(to), 0
	add := func(l list) {
		if len(l) > 0 {
			to = append(to, l...)
			lists++
		}
	}
	add(t.exact[eventType])
	add(t.rest)
	for i := range len(eventType) {
		if eventType[i] == '.' {
			add(t.below[eventType[:i+1]])
		}
	}
	if lists > 1 {
		slices.SortFunc(to[start:], byID)
		to = append(to[:start], slices.Compact(to[start:])...)
	}
	return to, t.version
}

// Get returns one subscription, or nil.
func (t *Tenant) Get(id event.ID) *Subscription {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if i, found := t.all.find(id); found {
		return t.all[i]
	}
	return nil
}

// After returns up to most subscriptions with ids after this one, ordered by id. Inactive ones
// are included.
func (t *Tenant) After(id event.ID, most int) []*Subscription {
	t.mu.RLock()
	defer t.mu.RUnlock()
	i, found := t.all.find(id)
	if found {
		i++
	}
	return slices.Clone(t.all[i:min(i+most, len(t.all))])
}

func (t *Tenant) put(s *Subscription) {
	t.all.put(s)
	if !s.Active {
		return
	}
	if len(s.EventTypes) == 0 {
		t.rest.put(s)
	}
	for _, p := range s.EventTypes {
		if by, key := t.listsFor(p); by != nil {
			l := by[key]
			l.put(s)
			by[key] = l
		} else {
			t.rest.put(s)
		}
	}
}

func (t *Tenant) remove(id event.ID) {
	i, found := t.all.find(id)
	if !found {
		return
	}
	s := t.all[i]
	t.all.remove(id)
	t.rest.remove(id)
	for _, p := range s.EventTypes {
		by, key := t.listsFor(p)
		if by == nil {
			continue
		}
		l := by[key]
		l.remove(id)
		by[key] = l
		if len(l) == 0 {
			delete(by, key)
		}
	}
}

// listsFor returns the map and the key for a pattern, or nil if the pattern may fit any type. It
// only narrows the search: event.Wants decides about each candidate.
func (t *Tenant) listsFor(pattern string) (map[string]list, string) {
	prefix, found := strings.CutSuffix(pattern, "*")
	switch {
	case !found:
		return t.exact, pattern
	case strings.HasSuffix(prefix, "."):
		return t.below, prefix
	}
	return nil, ""
}

// list holds subscriptions, ordered by id.
type list []*Subscription

func byID(a, b *Subscription) int { return bytes.Compare(a.ID[:], b.ID[:]) }

func (l list) find(id event.ID) (int, bool) {
	return slices.BinarySearchFunc(l, id, func(s *Subscription, id event.ID) int { return bytes.Compare(s.ID[:], id[:]) })
}

func (l *list) put(s *Subscription) {
	if i, found := l.find(s.ID); found {
		(*l)[i] = s
	} else {
		*l = slices.Insert(*l, i, s)
	}
}

func (l *list) remove(id event.ID) {
	if i, found := l.find(id); found {
		*l = slices.Delete(*l, i, i+1)
	}
}
