package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest/schema"
)

// TypeStore reads the registry of event types; package store says what the method promises.
type TypeStore interface {
	EventTypesSince(ctx context.Context, after int64) (changed []event.EventType, now int64, err error)
}

// typesEvery is the time between two looks for changes of the registry.
const typesEvery = time.Second

// Types checks events against the registry of event types, which it has in memory.
//
// For an event published to a tenant the registry is as new as the transaction: the store compares
// its version, as it does with that of the tenant. For ingest to one subscription, which costs no
// look into the database, a change counts at once on the node that makes it (Update), and on the
// others within a second (Run).
type Types struct {
	Store TypeStore
	// RegisteredOnly refuses events of types that are not registered, or archived.
	RegisteredOnly bool
	Log            *slog.Logger

	loading turn // one goroutine at a time reads changes
	known   atomic.Pointer[registry]
	failing atomic.Bool // the last look failed
}

// registry is the registry at one version. It never changes.
type registry struct {
	version int64
	types   map[string]*registered
}

// registered is an event type that is in use. Its schema is compiled when it is first needed.
type registered struct {
	schema func() (*schema.Schema, error) // nil: any data
}

// Run looks for changes until ctx ends.
func (t *Types) Run(ctx context.Context) error {
	for {
		t.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(typesEvery):
		}
	}
}

// look updates the registry. If that fails, the present one stays in use, and one log line says so
// until it succeeds again.
func (t *Types) look(ctx context.Context) {
	err := t.Update(ctx)
	if err == nil {
		t.failing.Store(false)
		return
	}
	if ctx.Err() == nil && !t.failing.Swap(true) {
		level := slog.LevelWarn
		if errors.Is(err, event.ErrUnavailable) {
			level = slog.LevelInfo // an unavailable store has its own warning
		}
		t.Log.Log(ctx, level, "could not read changes of the event types; using the present ones", "error", err)
	}
}

// Update reads the changes since the present version. All changes that were made before the call
// are known afterwards.
func (t *Types) Update(ctx context.Context) error {
	if err := t.loading.take(ctx); err != nil {
		return err
	}
	defer t.loading.leave()
	return t.update(ctx)
}

// current returns the registry, which it loads if this node has not done so yet.
func (t *Types) current(ctx context.Context) (*registry, error) {
	if known := t.known.Load(); known != nil {
		return known, nil
	}
	if err := t.loading.take(ctx); err != nil {
		return nil, err
	}
	defer t.loading.leave()
	if t.known.Load() == nil {
		if err := t.update(ctx); err != nil {
			return nil, err
		}
	}
	return t.known.Load(), nil
}

// catchUp replaces an outdated registry by a newer one, unless another goroutine has done that
// meanwhile.
func (t *Types) catchUp(ctx context.Context, outdated int64) error {
	if err := t.loading.take(ctx); err != nil {
		return err
	}
	defer t.loading.leave()
	if t.known.Load().version != outdated {
		return nil
	}
	return t.update(ctx)
}

// update is Update for callers that hold t.loading.
func (t *Types) update(ctx context.Context) error {
	known := t.known.Load()
	if known == nil {
		known = &registry{}
	}
	changed, now, err := t.Store.EventTypesSince(ctx, known.version)
	if err != nil {
		return fmt.Errorf("read the event types: %w", err)
	}
	if now != known.version {
		t.known.Store(known.after(changed, now))
	}
	return nil
}

func (r *registry) after(changed []event.EventType, version int64) *registry {
	types := maps.Clone(r.types)
	if types == nil {
		types = make(map[string]*registered, len(changed))
	}
	for _, c := range changed {
		if c.Archived() {
			delete(types, c.Name)
			continue
		}
		known := &registered{}
		if c.Schema != nil {
			known.schema = sync.OnceValues(func() (*schema.Schema, error) { return schema.Compile(c.Schema) })
		}
		types[c.Name] = known
	}
	return &registry{version, types}
}

// check checks the type and the data of an event, and returns the version of the registry that it
// used. The error is an *InvalidError about what the registry does not permit. A nil Types permits
// everything.
func (t *Types) check(ctx context.Context, eventType string, data []byte) (version int64, err error) {
	if t == nil {
		return 0, nil
	}
	known, err := t.current(ctx)
	if err != nil {
		return 0, err
	}
	found := known.types[eventType]
	if found == nil {
		if t.RegisteredOnly {
			return known.version, notRegistered(eventType)
		}
		return known.version, nil
	}
	return known.version, found.check(eventType, data)
}

// checkNewest is like check, but refuses nothing because of an outdated registry. What it permits,
// the store compares.
func (t *Types) checkNewest(ctx context.Context, eventType string, data []byte) (version int64, err error) {
	version, err = t.check(ctx, eventType, data)
	if !errors.As(err, new(*event.InvalidError)) {
		return version, err
	}
	if failed := t.catchUp(ctx, version); failed != nil {
		return 0, failed
	}
	return t.check(ctx, eventType, data)
}

func notRegistered(eventType string) error {
	return event.Invalid("event", fmt.Sprintf("is %q, which is not a registered event type or is archived; register it with PUT /event-types/%s, or set HOOKFERRY_EVENT_TYPES=open",
		event.Clip(eventType, event.MaxQuoted), event.Clip(eventType, event.MaxQuoted)))
}

// check checks the data against the schema. If the schema can't be compiled, it permits nothing:
// the API refuses such schemas, but another release may have stored it.
func (r *registered) check(eventType string, data []byte) error {
	if r.schema == nil {
		return nil
	}
	compiled, err := r.schema()
	if err != nil {
		return event.Invalid("event", fmt.Sprintf("is %q, whose schema can't be used: %s; replace it with PUT /event-types/%s", eventType, event.Clip(err.Error(), 256), eventType))
	}
	return compiled.Validate(data)
}
