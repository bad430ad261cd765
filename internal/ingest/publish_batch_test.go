package ingest

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

func TestPublishAll(t *testing.T) {
	w := newTown("acme", "other")
	w.subscribe("acme")
	p := w.publisher(t)
	var list []event.Publication
	for i := range 300 {
		list = append(list, publication(func(p *event.Publication) {
			switch i % 4 {
			case 1:
				p.Tenant = "other"
			case 2:
				p.Tenant = "nobody"
			case 3:
				p.Type = ""
			}
			p.Data = fmt.Appendf(nil, "%d", i)
		}))
	}
	results := p.PublishAll(t.Context(), list)
	if len(results) != len(list) {
		t.Fatalf("%d results of %d", len(results), len(list))
	}
	for i, r := range results {
		var invalid *event.InvalidError
		switch i % 4 {
		case 0, 1:
			stored := w.stored[r.Published.Event].Event
			if r.Err != nil || r.Published.Deliveries != 1-i%4 || string(stored.Data()) != fmt.Sprint(i) {
				t.Errorf("%d: %+v", i, r)
			}
		case 2:
			if !errors.Is(r.Err, event.ErrTenantNotFound) {
				t.Errorf("%d: %v", i, r.Err)
			}
		case 3:
			if !errors.As(r.Err, &invalid) {
				t.Errorf("%d: %v", i, r.Err)
			}
		}
	}
	if got := p.PublishAll(t.Context(), nil); len(got) != 0 {
		t.Errorf("nothing gives %v", got)
	}
	w.isEven(t, "batch")
}

// Events are published at once, so that they share commits, but at most batchTogether.
func TestPublishAllTogether(t *testing.T) {
	w := newTown("acme")
	p := w.publisher(t)
	var mu sync.Mutex
	inside, most := 0, 0
	full := make(chan struct{})
	w.accepting = func() {
		mu.Lock()
		inside++
		if most = max(most, inside); inside == batchTogether {
			close(full)
		}
		mu.Unlock()
		<-full
	}
	list := make([]event.Publication, batchTogether)
	for i := range list {
		list[i] = publication()
	}
	p.PublishAll(t.Context(), list)
	if most != batchTogether {
		t.Errorf("%d at once, want %d", most, batchTogether)
	}
}

// The first of several events with one key is stored, and the others are its duplicates.
func TestPublishAllKeys(t *testing.T) {
	w := newTown(event.DefaultTenant, "other")
	p := w.publisher(t)
	var list []event.Publication
	for i := range 200 {
		list = append(list, publication(func(p *event.Publication) {
			p.IdempotencyKey = fmt.Sprintf("key-%d", i%7)
			p.Tenant = []string{"other", event.DefaultTenant, ""}[i%3]
			if i >= 100 {
				p.Data = []byte("2")
			}
		}))
	}
	results := p.PublishAll(t.Context(), list)
	first := map[string]event.ID{}
	for i, r := range results {
		key := cmp.Or(list[i].Tenant, event.DefaultTenant) + list[i].IdempotencyKey
		id, known := first[key]
		switch {
		case i >= 100:
			if !errors.Is(r.Err, event.ErrKeyReused) {
				t.Errorf("%d: %v, want that the key has another body", i, r.Err)
			}
		case !known:
			first[key] = r.Published.Event
			if r.Err != nil || r.Published.Duplicate {
				t.Errorf("%d, the first: %+v", i, r)
			}
		case r.Err != nil || !r.Published.Duplicate || r.Published.Event != id:
			t.Errorf("%d, another: %+v, want a duplicate of %v", i, r, id)
		}
	}
}

func TestPublishAllIsBounded(t *testing.T) {
	list := make([]event.Publication, 1000)
	for i := range list {
		list[i] = publication(func(p *event.Publication) { p.Data = fmt.Appendf(nil, "%d", i) })
	}
	taken := func(results []event.PublishResult) (n int) {
		for i, r := range results {
			switch {
			case r.Err == nil:
				n++
			case !errors.Is(r.Err, event.ErrNotTaken):
				t.Fatalf("%d: %v", i, r.Err)
			}
		}
		return n
	}

	w := newTown("acme")
	for range 100 {
		w.subscribe("acme")
	}
	p := w.publisher(t)
	if n := taken(p.PublishAll(t.Context(), list)); n != batchDeliveries/100 || len(w.stored) != n {
		t.Errorf("%d events with 100 deliveries each were taken, and %d stored, want %d", n, len(w.stored), batchDeliveries/100)
	}
	w.isEven(t, "bounded by deliveries")

	w = newTown("acme")
	p = w.publisher(t)
	w.accepting = func() { w.pass(50 * time.Millisecond) }
	n := taken(p.PublishAll(t.Context(), list))
	if least := int(batchTime / (50 * time.Millisecond)); n < least || n > least+batchTogether {
		t.Errorf("%d events were taken within the time, want %d and at most those under way", n, least)
	}

	// Duplicates and failures make no deliveries, so they count for none.
	w = newTown("acme")
	for range 500 {
		w.subscribe("acme")
	}
	p = w.publisher(t)
	list = list[:100]
	for i := range list {
		list[i] = publication(func(p *event.Publication) { p.IdempotencyKey = "one" })
	}
	if n := taken(p.PublishAll(t.Context(), list)); n != len(list) || len(w.stored) != 1 {
		t.Errorf("%d of %d duplicates were taken, %d stored", n, len(list), len(w.stored))
	}
}
