package ingest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

func TestTypes(t *testing.T) {
	w := newTown()
	w.register(event.EventType{Name: "plain"})
	w.register(event.EventType{Name: "strict", Schema: []byte(`{"type":"object","required":["id"]}`)})
	w.register(event.EventType{Name: "old", Schema: []byte(`false`), ArchivedAt: w.now})
	w.register(event.EventType{Name: "broken", Schema: []byte(`{"$ref":"https://example.com/x"}`)})
	for _, c := range []struct {
		why        string
		eventType  string
		data       string
		open       string // the field of the refusal; "" means none
		registered string
	}{
		{"no schema", "plain", "1", "", ""},
		{"it fits", "strict", `{"id":1}`, "", ""},
		{"it does not fit", "strict", `{}`, "data", "data"},
		{"unknown", "other", "1", "", "event"},
		{"a prefix", "plai", "1", "", "event"},
		{"archived, so not registered, and its schema does not apply", "old", "1", "", "event"},
		{"a schema that can't be used permits nothing", "broken", "1", "event", "event"},
	} {
		for registeredOnly, want := range map[bool]string{false: c.open, true: c.registered} {
			types := &Types{Store: w, RegisteredOnly: registeredOnly}
			version, err := types.check(t.Context(), c.eventType, []byte(c.data))
			var invalid *event.InvalidError
			if want == "" && err != nil || want != "" && (!errors.As(err, &invalid) || invalid.Fields[0].Field != want) {
				t.Errorf("%s, registered types only %v: %v, want %q", c.why, registeredOnly, err, want)
			}
			if version != w.version {
				t.Errorf("%s: version %d, want %d", c.why, version, w.version)
			}
		}
	}
}

// failingTypes is a registry that can't be read.
type failingTypes struct{ err error }

func (f *failingTypes) EventTypesSince(context.Context, int64) ([]event.EventType, int64, error) {
	return nil, 1, f.err
}

func TestTypesThatCannotBeRead(t *testing.T) {
	f := &failingTypes{errors.Join(event.ErrUnavailable, errors.New("no database"))}
	types := &Types{Store: f}
	if _, err := types.check(t.Context(), "a", nil); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("not read yet: %v", err)
	}
	f.err = nil
	if _, err := types.check(t.Context(), "a", nil); err != nil {
		t.Errorf("read: %v", err)
	}
	f.err = errors.New("no database")
	if _, err := types.check(t.Context(), "a", nil); err != nil {
		t.Errorf("the database is away, and the registry known: %v", err)
	}
	if err := types.Update(t.Context()); err == nil {
		t.Error("an update without a database succeeded")
	}
}

// Run finds changes that another node made within a second, and says once that it can't.
func TestTypesRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, f := newTown(), &failingTypes{errors.New("no database")}
		var log strings.Builder
		types := &Types{Store: w, RegisteredOnly: true, Log: slog.New(slog.NewTextHandler(&log, nil))}
		failing := &Types{Store: f, Log: types.Log}
		ctx, stop := context.WithCancel(t.Context())
		go types.Run(ctx)
		go failing.Run(ctx)
		synctest.Wait()
		if _, err := types.check(ctx, "a", nil); err == nil {
			t.Error("accepted before it is registered")
		}
		w.register(event.EventType{Name: "a"})
		time.Sleep(typesEvery)
		synctest.Wait()
		if _, err := types.check(ctx, "a", nil); err != nil {
			t.Errorf("a second later: %v", err)
		}
		time.Sleep(time.Minute)
		stop()
		synctest.Wait()
		if n := strings.Count(log.String(), "could not read changes"); n != 1 {
			t.Errorf("%d log lines:\n%s", n, log.String())
		}
	})
}

// Ingest to one subscription obeys the registry and the subscription's filter, and channels do not
// apply to it.
func TestIngestObeysRegistryAndFilter(t *testing.T) {
	registry := newTown()
	registry.register(event.EventType{Name: "strict", Schema: []byte(`{"type":"object","required":["id"]}`)})
	filters, err := NewFilters()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why            string
		body           string
		edit           func(*event.Subscription)
		registeredOnly bool
		field          string // of the refusal
		reason         string // why it is filtered
	}{
		{"nothing applies", good, func(*event.Subscription) {}, false, "", ""},
		{"not registered", good, func(*event.Subscription) {}, true, "event", ""},
		{"the schema fits", `{"event":"strict","data":{"id":1}}`, func(*event.Subscription) {}, true, "", ""},
		{"the schema does not fit", `{"data":{"x":1},"event":"strict"}`, func(*event.Subscription) {}, false, "data", ""},
		{"the filter is true", good, filter(`{"data":1,"event":"user.created","tenant":"acme"}`), false, "", ""},
		{"the filter is false", good, filter(`{"data":2}`), false, "", "data is 1; the filter wants 2 (filter/data)"},
		{"the filter is about metadata, which ingest has not", good, filter(`{"metadata":{"a":"b"}}`), false, "", "metadata.a is absent"},
		{"the filter can't be compiled", good, filter(`{"data":{"$later":2}}`), false, "", "can't be used"},
		{"a type that is not wanted comes first", good, func(s *event.Subscription) { s.EventTypes, s.Filter = []string{"x"}, []byte(`{"data":2}`) }, false, "", "the subscription wants"},
		{"channels", good, func(s *event.Subscription) { s.Channels = []string{"eu"} }, false, "", ""},
	} {
		w := newWorld()
		w.sub.Tenant, w.sub.TenantNo = "acme", 7
		c.edit(&w.sub)
		in := &Ingest{
			Subscriptions: w, Store: w, Handoff: w, Observer: w, Now: func() time.Time { return w.now },
			Types: &Types{Store: registry, RegisteredOnly: c.registeredOnly}, Filters: filters,
		}
		for range 2 {
			got, err := in.Ingest(t.Context(), event.Submission{SubscriptionID: w.sub.ID, Body: []byte(c.body), ContentType: "application/json"})
			var invalid *event.InvalidError
			switch {
			case c.field != "" && (!errors.As(err, &invalid) || invalid.Fields[0].Field != c.field):
				t.Errorf("%s: %v, want one about %s", c.why, err, c.field)
			case c.field == "" && err != nil:
				t.Errorf("%s: %v", c.why, err)
			case got.Filtered != (c.reason != "") || !strings.Contains(got.Reason, c.reason):
				t.Errorf("%s: filtered %v, because %q, want %q", c.why, got.Filtered, got.Reason, c.reason)
			case err == nil && !got.Filtered && w.accepted.Event.TenantNo != 7:
				t.Errorf("%s: the event is of tenant %d", c.why, w.accepted.Event.TenantNo)
			}
		}
	}
}

// typeWriter changes the registry of a town.
type typeWriter struct {
	*town
	TypeWriter
}

func (w typeWriter) PutEventType(_ context.Context, t event.EventType) (event.EventType, bool, error) {
	w.register(t)
	return t, true, nil
}

func (w typeWriter) ArchiveEventType(_ context.Context, name string, at time.Time) (event.EventType, error) {
	t := event.EventType{Name: name, ArchivedAt: at}
	w.register(t)
	return t, nil
}

// A change that this node makes counts for the next event.
func TestRegistrar(t *testing.T) {
	w := newTown()
	types := &Types{Store: w, RegisteredOnly: true, Log: slog.New(slog.DiscardHandler)}
	r := Registrar{typeWriter{town: w}, types}
	if _, err := types.check(t.Context(), "a", nil); err == nil {
		t.Error("accepted before it is registered")
	}
	if _, created, err := r.PutEventType(t.Context(), event.EventType{Name: "a"}); err != nil || !created {
		t.Errorf("put: %v, %v", created, err)
	}
	if _, err := types.check(t.Context(), "a", nil); err != nil {
		t.Errorf("registered: %v", err)
	}
	if _, err := r.ArchiveEventType(t.Context(), "a", w.now); err != nil {
		t.Error(err)
	}
	if _, err := types.check(t.Context(), "a", nil); err == nil {
		t.Error("accepted after it was archived")
	}
}
