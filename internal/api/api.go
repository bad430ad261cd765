package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// Ingester takes events in.
type Ingester interface {
	// Ingest's errors are those of package event. The text of one that wraps
	// event.ErrMalformed is shown to the caller, as an InvalidError's is.
	Ingest(ctx context.Context, s event.Submission) (event.Submitted, error)
}

// Subscriptions keeps the subscriptions; package store says what each method
// promises.
type Subscriptions interface {
	CreateSubscription(ctx context.Context, s event.Subscription) error
	Subscription(ctx context.Context, id event.ID) (event.Subscription, error)
	ListSubscriptions(ctx context.Context, before event.ID, limit int) ([]event.Subscription, error)
	ReplaceSubscription(ctx context.Context, s event.Subscription) (event.Subscription, error)
	PauseSubscription(ctx context.Context, id event.ID, p event.Pause) (event.Subscription, error)
	ResumeSubscription(ctx context.Context, id event.ID, at time.Time) (event.Subscription, error)
	DeleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error
}

// History answers what became of events; package store says what each method
// promises.
type History interface {
	Delivery(ctx context.Context, id event.ID) (event.DeliveryReport, error)
	EventDeliveries(ctx context.Context, event event.ID, limit int) ([]event.ID, error)
	ListAttempts(ctx context.Context, subscription, before event.ID, limit int) ([]event.AttemptReport, error)
}

// KeyChecker knows the API keys, and compares them safely.
type KeyChecker interface {
	// FindKey returns the key with this text, also one that was revoked or has ended,
	// or ErrNotFound.
	FindKey(ctx context.Context, text string) (event.APIKey, error)
}

// DefaultMaxBody is the longest request body, in bytes, unless Options say otherwise.
const DefaultMaxBody = 1 << 20

// DefaultBodies is how many bytes of request bodies are held in memory at once,
// unless Options say otherwise. There is always room for two of the longest.
const DefaultBodies = 64 << 20

// Options are what the API works with.
type Options struct {
	Version       string
	Ingest        Ingester
	Subscriptions Subscriptions
	History       History
	// CheckTarget is the guard's quick answer about a target URL of good form. Its
	// error is shown to the caller.
	CheckTarget func(rawURL string) error
	Keys        KeyChecker                       // nil: no key is needed
	Health      func(ctx context.Context) Health // its words are shown to anybody
	// Integrity examines all that is kept. Its error is one of package event.
	Integrity func(ctx context.Context) (Integrity, error)
	Ready     func() error     // nil error: events can be taken; the words are shown to anybody
	Retention time.Duration    // bounds a subscription's retry schedule
	MaxBody   int64            // bytes; DefaultMaxBody if 0
	Bodies    int64            // bytes of request bodies held at once; DefaultBodies if 0
	Refused   func(status int) // counts an answer that is a problem; nil: nobody counts
	// KeyRefused counts a request that was refused for its key; KeyRefusals are the reasons.
	KeyRefused func(reason string)
	Now        func() time.Time // time.Now if nil
	Log        *slog.Logger     // slog.Default() if nil
}

type api struct {
	Options
	router
	memory      budget // of request bodies
	refusedKeys keyLog
	elsewhere   string // the answer to a path that there is not
}

// New returns the handler of the whole API. It fails where two of its routes are in
// each other's way.
func New(o Options) (http.Handler, error) {
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Bodies == 0 {
		o.Bodies = max(DefaultBodies, 2*o.MaxBody)
	}
	a := &api{Options: o, memory: budget{most: o.Bodies}, elsewhere: "There is nothing at this path; /docs lists all that there is."}
	operations, document, err := a.describe(o.Version)
	if err != nil {
		return nil, err
	}
	if err := a.addAll(operations, docsPages(document)); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *api) addAll(operations []operation, pages []docsPage) error {
	for _, op := range operations {
		if err := a.add(op.Method, op.Path, endpoint{serve: op.serve, needs: op.needs}); err != nil {
			return fmt.Errorf("add the API's routes: %w", err)
		}
	}
	for _, p := range pages {
		if err := a.add(http.MethodGet, p.path, endpoint{serve: p.serve, needs: anybody}); err != nil {
			return fmt.Errorf("add the documentation's pages: %w", err)
		}
	}
	return nil
}

// NewProbes returns the handler of a node that takes no events in: it answers
// orchestrators' probes and says how it is. Of the options it uses the version, Health,
// Ready and the log.
func NewProbes(o Options) (http.Handler, error) {
	a := &api{Options: o}
	a.elsewhere = "This node delivers, and answers /livez, /readyz and /health only; the API is on the nodes with the role api or all."
	operations := a.healthOperations(huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer))
	if err := a.addAll(operations, nil); err != nil {
		return nil, err
	}
	return a, nil
}

// now is the present time as it is stored and shown: to the millisecond, so that
// every store gives back what a caller was told first.
func (a *api) now() time.Time { return a.Now().UTC().Truncate(time.Millisecond) }
