// Package app assembles the service. It opens the store, connects ingest, dispatch, send and the
// API, listens, and stops everything in the right order. It is the only package that knows all
// others, and it contains no rules of its own.
//
// Start with New, which builds an App, and Run, which runs it.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hookferry/hookferry/internal/api"
	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/dispatch"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest"
	"github.com/hookferry/hookferry/internal/redis"
	"github.com/hookferry/hookferry/internal/retention"
	"github.com/hookferry/hookferry/internal/send"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/telemetry"
)

const (
	// lease is how long a claim of a node lasts without renewal, and so how long the work of a dead
	// node waits.
	lease = 12 * time.Second
	// laneDepth is how many deliveries of one subscription are held in memory. buffered and
	// bufferedBytes limit all lanes together. Other deliveries wait in the database.
	laneDepth     = 512
	buffered      = 16_384
	bufferedBytes = 64 << 20
	// gather is how long the outcome of an attempt may wait for other outcomes before it is
	// recorded.
	gather = 2 * time.Millisecond
)

// NewLogger returns a logger with the level and format of the settings.
func NewLogger(w io.Writer, cfg config.Config) *slog.Logger {
	return telemetry.NewLogger(w, cfg.LogLevel, cfg.LogFormat)
}

// App is one instance of the service. Several may run in one process.
type App struct {
	cfg        config.Config
	log        *slog.Logger
	store      *store.Cached
	sealed     *store.Sealed // the store behind the cache
	metrics    *telemetry.Metrics
	sender     *send.Sender
	dispatcher *dispatch.Dispatcher // nil on an API node
	passOn     *redis.Handoff       // nil on a node that delivers, and without Redis
	brake      *ingest.Brake        // nil on a node that delivers
	redis      *redis.Client        // nil without Redis
	retention  retention.Retention
	health     *health
	outage     *outage
	backlog    *ingest.Backlog // nil on a worker
	types      *ingest.Types   // nil on a worker
	keys       *keyring        // nil on a worker
	others     store.Listener  // nil if the database supports only one node
	stopping   atomic.Bool
	makeAPI    func(api.Options) (http.Handler, error)

	servers  []server
	cleanups []cleanup
}

// server is an HTTP server and its listener.
type server struct {
	http     *http.Server
	listener net.Listener
}

// New opens the store and the listeners. When it returns, the addresses are final, but nothing is
// served before Run.
func New(ctx context.Context, cfg config.Config, version string, log *slog.Logger) (*App, error) {
	return open(ctx, &App{cfg: cfg, log: log, makeAPI: api.New}, version)
}

// open opens everything that a needs. If it fails, it leaves nothing open.
func open(ctx context.Context, a *App, version string) (_ *App, err error) {
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	a.metrics = telemetry.NewMetrics(version, func(ctx context.Context) (event.Depth, error) { return a.store.Depth(ctx, time.Now()) })
	database, err := openStore(ctx, a.cfg, storeHooks{a.metrics.Commit, a.logCopy})
	if err != nil {
		return nil, err
	}
	a.onClose("the database", database.Close)
	a.others, _ = database.(store.Listener)
	a.sealed = store.WithSeal(database, a.cfg.MasterKeys)
	if a.store, err = store.WithCache(a.sealed, a.announceChange); err != nil {
		return nil, err
	}
	if a.cfg.Redis != "" {
		if err := a.useRedis(ctx, database); err != nil {
			return nil, err
		}
	}
	if err := a.assemble(version); err != nil {
		return nil, err
	}
	a.health = newHealth(a.store, a.redis, version)
	a.health.clock, _ = database.(store.Clock)
	a.outage = &outage{failure: a.health.failure, log: a.log}
	handler, err := a.handler(ctx, version)
	if err != nil {
		return nil, err
	}
	if err := a.listen(ctx, "--addr or HOOKFERRY_ADDR", a.cfg.Addr, handler); err != nil {
		return nil, err
	}
	if a.cfg.AdminAddr != "" {
		if err := a.listen(ctx, "--admin-addr or HOOKFERRY_ADMIN_ADDR", a.cfg.AdminAddr, telemetry.AdminHandler(a.metrics)); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// logCopy explains why the start takes longer than usual.
func (a *App) logCopy(to string, size int64) {
	a.log.Info("copying the database before its tables are changed", "to", to, "bytes", size)
}

// handler returns the handler of the API, or that of a worker's probes.
func (a *App) handler(ctx context.Context, version string) (http.Handler, error) {
	if a.cfg.Role == config.RoleWorker {
		return api.NewProbes(api.Config{Version: version, Health: a.health.report, Ready: a.ready, Log: a.log})
	}
	keys, err := newKeyring(ctx, a.cfg, a.store, a.log)
	if err != nil {
		return nil, err
	}
	a.backlog = &ingest.Backlog{Store: a.store, Most: a.cfg.MaxPending, MostOfOne: a.cfg.MaxPendingOfOne, Log: a.log}
	a.keys = keys
	a.types = &ingest.Types{Store: a.store, RegisteredOnly: a.cfg.EventTypes == "registered", Log: a.log}
	filters, err := ingest.NewFilters()
	if err != nil {
		return nil, err
	}
	handoff := a.handoff()
	publisher, err := ingest.NewPublisher(ingest.PublisherOptions{
		Tenants: a.store, Subscriptions: a.store, Store: a.store, Types: a.types, Filters: filters,
		Handoff: handoff, Observer: a.metrics, Backlog: a.backlog, Retention: a.cfg.Retention, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	return a.makeAPI(api.Options{
		Backend: api.Backend{
			Ingest: &ingest.Ingest{
				Subscriptions: a.store, Store: a.store, Types: a.types, Filters: filters, Handoff: handoff, Observer: a.metrics, Backlog: a.backlog, Now: time.Now,
			},
			Publish:       publisher,
			Tenants:       a.store,
			EventTypes:    ingest.Registrar{TypeWriter: a.store, Types: a.types},
			Subscriptions: store.Fresh{Cached: a.store},
			History:       a.store,
			KeyStore:      a.store,
		},
		Config: api.Config{
			Version:        version,
			CheckTarget:    a.guard().CheckURL,
			CheckFilter:    ingest.CheckFilter,
			CheckChannels:  ingest.CheckChannels,
			CheckEventType: ingest.CheckEventType,
			Keys:           keys.checker(),
			Health:         a.health.report,
			Integrity:      (&auditor{store: a.sealed, clock: a.health.clock, retention: a.cfg.Retention}).integrity,
			Ready:          a.ready,
			Retention:      a.cfg.Retention,
			MaxBody:        a.cfg.MaxBody,
			Refused:        a.refused,
			KeyRefused:     a.metrics.KeyRefused,
			Now:            time.Now,
			Log:            a.log,
		},
	})
}

// refused counts a problem response.
func (a *App) refused(status int) {
	a.metrics.Refused(status)
	a.outage.countRefused(status)
}

// assemble creates the parts that deliver, unless other nodes do that.
func (a *App) assemble(version string) error {
	a.retention = retention.Retention{Store: a.store, Keep: a.cfg.Retention, Log: a.log}
	if a.cfg.Role == config.RoleAPI {
		return nil
	}
	roots, err := a.cfg.TargetCA.Pool()
	if err != nil {
		return err
	}
	a.sender = send.New(send.Options{UserAgent: "Hookferry/" + version, Timeout: a.cfg.Timeout, Guard: a.guard(), Proxy: send.Proxy(a.cfg.Proxy), Roots: roots})
	a.onClose("the connections to endpoints", func() error { a.sender.Close(); return nil })
	options := dispatch.Options{
		Node:          nodeName(),
		Store:         a.store,
		Subscriptions: a.store,
		Sender:        a.sender,
		Observer:      a.metrics,
		Log:           a.log, LogAllAttempts: a.cfg.LogAttempts == "all",
		Policy: a.cfg.RetryPolicy(),
		Limits: dispatch.Limits{
			InFlight: a.cfg.MaxInFlight, LaneInFlight: a.cfg.LaneInFlight,
			LaneDepth: laneDepth, Buffered: buffered, BufferedBytes: bufferedBytes,
		},
		Lease: lease,
		Grace: a.drainPeriod(), Gather: gather,
	}
	if a.redis != nil {
		options.RateLimiter = a.redis
	}
	if a.others != nil {
		options.Behind = a.others.TellBehind
	}
	a.dispatcher = dispatch.New(options)
	return nil
}

// guard returns the guard that checks target addresses, both when a subscription is created and
// when it is called.
func (a *App) guard() *send.Guard {
	return send.NewGuard(send.Rules{
		Allow: a.cfg.AllowTargets, Deny: a.cfg.DenyTargets,
		Ports: a.cfg.TargetPorts, RequireHTTPS: a.cfg.RequireHTTPS,
	})
}

// listen opens a listener. The timeouts limit what a slow or silent client can hold up: its
// headers, its whole request, the response, and an idle connection.
func (a *App) listen(ctx context.Context, setting, addr string, h http.Handler) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("can't listen on %s, because another process does: stop that process, or choose another address with %s", addr, setting)
	}
	if err != nil {
		return fmt.Errorf("can't listen on %s (%s): %w", addr, setting, err)
	}
	a.onClose("the listener on "+addr, func() error { return unlessClosed(l.Close()) })
	if a.cfg.Dev {
		h = api.LocalOnly(h)
	}
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute, // a profile from the admin address takes long
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ConnState:         trackState,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug), // a client that disconnects is not an error of the service
	}
	bounded := &limitListener{Listener: l, limit: int64(a.cfg.MaxConnections), patience: usualPatience, refused: a.metrics.ConnectionRefused}
	a.servers = append(a.servers, server{s, bounded})
	return nil
}

// Addr returns the address of the API.
func (a *App) Addr() string { return a.servers[0].listener.Addr().String() }

// AdminAddr returns the address of metrics and profiles, or "".
func (a *App) AdminAddr() string {
	if len(a.servers) < 2 {
		return ""
	}
	return a.servers[1].listener.Addr().String()
}

// Account counts the deliveries in the database by status. The sum is the number of accepted
// deliveries, as long as none has been deleted.
func (a *App) Account(ctx context.Context) (map[string]int, error) {
	counts, err := a.store.Count(ctx)
	account := make(map[string]int, len(counts))
	for status, n := range counts {
		account[status.String()] = n
	}
	return account, err
}

// Store returns the database, for tests that audit a running instance.
func (a *App) Store() store.Store { return a.store }

// Run serves until ctx ends, and then stops within ShutdownGrace: first /readyz fails, then no new
// events are accepted and no new deliveries claimed, attempts in flight end, their outcomes are
// stored, and the database is closed. Run returns the error that made it stop early, or nil.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	hints := startGroup(a.hintParts()...)
	work := startGroup(a.workParts()...)
	inbound := startGroup(a.inboundParts()...)
	for _, s := range a.servers {
		go func() {
			if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				fail(fmt.Errorf("serve on %s: %w", s.listener.Addr(), err))
			}
		}()
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "ready", a.servedAttrs()...)

	for _, warning := range a.cfg.Warnings() {
		a.log.WarnContext(ctx, warning)
	}
	if len(a.cfg.AllowTargets) > 0 {
		a.log.InfoContext(ctx, "some targets that are not public are allowed", "networks", a.cfg.AllowTargets)
	}
	if a.sender != nil && a.cfg.Proxy.Addr != "" {
		a.log.InfoContext(ctx, "targets are called through a proxy", "proxy", a.cfg.Proxy.String())
	}

	for _, warning := range a.cfg.TargetCA.Warnings(time.Now()) {
		a.log.WarnContext(ctx, warning)
	}
	if !a.cfg.MasterKeys.Seals() && !a.cfg.Dev {
		a.log.WarnContext(ctx, "secrets are stored unencrypted, so anyone who can read the database or a backup can read them: to encrypt them, set HOOKFERRY_MASTER_KEY to the output of `openssl rand -base64 32`")
	}

	<-ctx.Done()
	a.stopping.Store(true)
	a.log.InfoContext(ctx, "stopping", "grace", a.cfg.ShutdownGrace.String())
	time.Sleep(a.noticePeriod()) // gives load balancers time to read /readyz and send no more requests
	drained := make(chan struct{})
	go func() { defer close(drained); a.shutdown() }()
	err := errors.Join(inbound.end(), work.end())
	<-drained
	if err := errors.Join(err, hints.end()); err != nil {
		a.log.WarnContext(ctx, "stopped, but not cleanly", "remark", err)
	}
	a.log.InfoContext(ctx, "stopped")
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// servedAttrs says what this node serves, and where.
func (a *App) servedAttrs() []slog.Attr {
	url := "http://" + a.Addr()
	served := []slog.Attr{slog.String("api", url), slog.String("docs", url+"/docs")}
	if a.cfg.Role == config.RoleWorker {
		served = []slog.Attr{slog.String("probes", url)}
	}
	if a.AdminAddr() != "" {
		served = append(served, slog.String("admin", "http://"+a.AdminAddr()))
	}
	served = append(served, slog.String("role", string(a.cfg.Role)))
	where, _ := Existing(a.cfg)
	return append(served, slog.String("database", where))
}

// noticePeriod is how long the service keeps serving after it was told to stop, while only /readyz fails.
// drainPeriod is the rest of the grace period.
func (a *App) noticePeriod() time.Duration {
	if a.cfg.Dev {
		return 0 // a developer's machine has no load balancer
	}
	return a.cfg.ShutdownGrace / 10
}

func (a *App) drainPeriod() time.Duration { return a.cfg.ShutdownGrace - a.noticePeriod() }

// shutdown lets requests in flight end, first those of the API.
func (a *App) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), a.drainPeriod())
	defer cancel()
	for _, s := range a.servers {
		if err := s.http.Shutdown(ctx); err != nil {
			s.http.Close()
		}
	}
}

// ready returns nil if the service accepts events.
func (a *App) ready() error {
	if a.stopping.Load() {
		return errors.New("the service is stopping")
	}
	if err := a.health.failure(context.Background()); err != nil {
		return errors.New(publicReason(err))
	}
	return nil
}
