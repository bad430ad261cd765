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

// Ingester accepts events.
type Ingester interface {
	// Ingest returns errors of package event. The caller sees the text of an error that wraps
	// event.ErrMalformed, and that of an InvalidError.
	Ingest(ctx context.Context, s event.Submission) (event.Submitted, error)
}

// Subscriptions stores the subscriptions. Package store documents each method.
type Subscriptions interface {
	CreateSubscription(ctx context.Context, s event.Subscription) error
	Subscription(ctx context.Context, id event.ID) (event.Subscription, error)
	ListSubscriptions(ctx context.Context, before event.ID, limit int) ([]event.Subscription, error)
	ReplaceSubscription(ctx context.Context, s event.Subscription) (event.Subscription, error)
	PauseSubscription(ctx context.Context, id event.ID, p event.Pause) (event.Subscription, error)
	ResumeSubscription(ctx context.Context, id event.ID, at time.Time) (event.Subscription, error)
	DeleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error
}

// History reads events, deliveries and attempts. Package store documents each method.
type History interface {
	Delivery(ctx context.Context, id event.ID) (event.DeliveryReport, error)
	EventDeliveries(ctx context.Context, event event.ID, limit int) ([]event.ID, error)
	ListAttempts(ctx context.Context, subscription, before event.ID, limit int) ([]event.AttemptReport, error)
}

// KeyChecker looks up API keys. How long that takes must reveal nothing about a key.
type KeyChecker interface {
	// FindKey returns the key with this text, even if it is revoked or expired, or ErrNotFound.
	FindKey(ctx context.Context, text string) (event.APIKey, error)
}

// DefaultMaxBody is the longest request body, in bytes, if Options.MaxBody is 0.
const DefaultMaxBody = 1 << 20

// DefaultBodies is how many bytes of request bodies are held in memory at once if Options.Bodies is
// 0. New raises it to at least twice Options.MaxBody.
const DefaultBodies = 64 << 20

// Options configure the API.
type Options struct {
	Version       string
	Ingest        Ingester
	Subscriptions Subscriptions
	History       History
	// CheckTarget asks the guard about a well-formed target URL, without a name lookup. The caller
	// sees the text of its error.
	CheckTarget func(rawURL string) error
	Keys        KeyChecker                       // if nil, no key is needed
	Health      func(ctx context.Context) Health // anyone may read the response
	// Integrity checks all stored data. Its errors are those of package event.
	Integrity func(ctx context.Context) (Integrity, error)
	Ready     func() error     // returns nil if events can be accepted; anyone may read its error
	Retention time.Duration    // limits a subscription's retry schedule
	MaxBody   int64            // bytes; DefaultMaxBody if 0
	Bodies    int64            // bytes of request bodies held in memory at once; DefaultBodies if 0
	Refused   func(status int) // if not nil, is called with the status of each problem response
	// KeyRefused counts a request refused because of its key. KeyRefusals lists the reasons.
	KeyRefused func(reason string)
	Now        func() time.Time // time.Now if nil
	Log        *slog.Logger     // slog.Default() if nil
}

type api struct {
	Options
	router
	memory      budget // of request bodies
	refusedKeys keyLog
	unknownPath string // detail of the response to a path that does not exist
}

// New returns the handler of the whole API. It fails if two routes conflict.
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
	a := &api{Options: o, memory: budget{limit: o.Bodies}, unknownPath: "Nothing is at this path; /docs lists all paths."}
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
		if err := a.add(http.MethodGet, p.path, endpoint{serve: p.serve, needs: public}); err != nil {
			return fmt.Errorf("add the documentation's pages: %w", err)
		}
	}
	return nil
}

// NewProbes returns the handler for a node that serves no API: it answers orchestrators' probes and
// reports the node's health. It uses only the options Version, Health, Ready and Log.
func NewProbes(o Options) (http.Handler, error) {
	a := &api{Options: o}
	a.unknownPath = "This node only delivers, and serves only /livez, /readyz and /health; the API is on nodes with the role api or all."
	operations := a.healthOperations(huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer))
	if err := a.addAll(operations, nil); err != nil {
		return nil, err
	}
	return a, nil
}

// now returns the current time, truncated to the millisecond: every store keeps that precision, so
// a later read shows the same time as the first response.
func (a *api) now() time.Time { return a.Now().UTC().Truncate(time.Millisecond) }
