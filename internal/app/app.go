// Package app joins the stations into the service: it opens the store, wires
// ingest, dispatch, send and the API together, listens, and stops everything in
// the right order. It is the only package that knows all the others, and holds no
// rule of its own.
//
// Start with New for what there is, and Run for its life.
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
	// lease is how long a delivery is a node's own without a sign of life. It bounds
	// how long a dead node's work waits.
	lease = 12 * time.Second
	// laneDepth is how many deliveries of one subscription wait in memory, and buffered
	// and bufferedBytes how many in all; the rest waits in the database.
	laneDepth     = 512
	buffered      = 16_384
	bufferedBytes = 64 << 20
	// gather is how long the outcome of an attempt may wait for others before it is recorded.
	gather = 2 * time.Millisecond
)

// NewLogger makes the log that the settings ask for.
func NewLogger(w io.Writer, cfg config.Config) *slog.Logger {
	return telemetry.NewLogger(w, cfg.LogLevel, cfg.LogFormat)
}

// App is one instance of the service. Several may run in one process.
type App struct {
	cfg        config.Config
	log        *slog.Logger
	store      *store.Cached
	sealed     *store.Sealed // what the cache stands before
	metrics    *telemetry.Metrics
	sender     *send.Sender
	dispatcher *dispatch.Dispatcher // nil where another node delivers
	passOn     *redis.Handoff       // nil where this node delivers, and without Redis
	brake      *ingest.Brake        // nil where this node delivers
	redis      *redis.Client        // nil without Redis
	retention  retention.Retention
	health     *health
	outage     *outage
	backlog    *ingest.Backlog // nil where no events are taken in
	keys       *keyring        // nil where nobody calls the API
	others     store.Listener  // nil if there can be no other node
	stopping   atomic.Bool
	makeAPI    func(api.Options) (http.Handler, error)

	servers  []server
	cleanups []cleanup
}

// server is an HTTP server with the listener it serves.
type server struct {
	http     *http.Server
	listener net.Listener
}

// New opens the store and the listeners. The addresses are final when it returns;
// nothing is answered before Run.
func New(ctx context.Context, cfg config.Config, version string, log *slog.Logger) (*App, error) {
	return open(ctx, &App{cfg: cfg, log: log, makeAPI: api.New}, version)
}

// open opens what a needs, or leaves nothing open.
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
	if a.store, err = store.WithCache(a.sealed, a.tellOthers); err != nil {
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

// logCopy says why the start takes longer than usual.
func (a *App) logCopy(to string, size int64) {
	a.log.Info("copying the database before its tables are changed", "to", to, "bytes", size)
}

// handler is the API, or of a worker what it answers to probes.
func (a *App) handler(ctx context.Context, version string) (http.Handler, error) {
	if a.cfg.Role == config.RoleWorker {
		return api.NewProbes(api.Options{Version: version, Health: a.health.report, Ready: a.ready, Log: a.log})
	}
	keys, err := newKeyring(ctx, a.cfg, a.store, a.log)
	if err != nil {
		return nil, err
	}
	a.backlog = &ingest.Backlog{Store: a.store, Most: a.cfg.MaxPending, MostOfOne: a.cfg.MaxPendingOfOne, Log: a.log}
	a.keys = keys
	return a.makeAPI(api.Options{
		Version: version,
		Ingest: &ingest.Ingest{
			Subscriptions: a.store, Store: a.store, Handoff: a.handoff(), Observer: a.metrics, Backlog: a.backlog, Now: time.Now,
		},
		Subscriptions: store.Fresh{Cached: a.store},
		History:       a.store,
		CheckTarget:   a.guard().CheckURL,
		Keys:          keys.checker(),
		Health:        a.health.report,
		Integrity:     (&auditor{store: a.sealed, clock: a.health.clock, retention: a.cfg.Retention}).integrity,
		Ready:         a.ready,
		Retention:     a.cfg.Retention,
		MaxBody:       a.cfg.MaxBody,
		Refused:       a.refused,
		KeyRefused:    a.metrics.KeyRefused,
		Now:           time.Now,
		Log:           a.log,
	})
}

// refused counts a request that was answered with a problem.
func (a *App) refused(status int) {
	a.metrics.Refused(status)
	a.outage.countRefused(status)
}

// assemble makes what delivers, unless other nodes do.
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
		Grace: a.drain(), Gather: gather,
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

// guard is the one that judges targets, when a subscription is made and when it is
// called.
func (a *App) guard() *send.Guard {
	return send.NewGuard(send.Rules{
		Allow: a.cfg.AllowTargets, Deny: a.cfg.DenyTargets,
		Ports: a.cfg.TargetPorts, RequireHTTPS: a.cfg.RequireHTTPS,
	})
}

// listen opens a listener. The time-outs bound what a slow or silent client can
// hold: its headers, its whole request, our answer, and an idle connection.
func (a *App) listen(ctx context.Context, setting, addr string, h http.Handler) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("something else listens on %s already: stop it, or choose another address with %s", addr, setting)
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
		WriteTimeout:      2 * time.Minute, // a profile of the admin address takes its time
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ConnState:         noteState,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug), // clients that break off are no errors of ours
	}
	bounded := &crowd{Listener: l, most: int64(a.cfg.MaxConnections), patience: usualPatience, refused: a.metrics.Crowded}
	a.servers = append(a.servers, server{s, bounded})
	return nil
}

// Addr is where the API listens.
func (a *App) Addr() string { return a.servers[0].listener.Addr().String() }

// AdminAddr is where metrics and profiles are, or "".
func (a *App) AdminAddr() string {
	if len(a.servers) < 2 {
		return ""
	}
	return a.servers[1].listener.Addr().String()
}

// Account counts the deliveries that the database keeps, by the name of their
// status. Their sum is what was accepted, as long as nothing has been deleted.
func (a *App) Account(ctx context.Context) (map[string]int, error) {
	counts, err := a.store.Count(ctx)
	account := make(map[string]int, len(counts))
	for status, n := range counts {
		account[status.String()] = n
	}
	return account, err
}

// Store is the database, for tests that audit a running instance.
func (a *App) Store() store.Store { return a.store }

// Run serves until ctx ends, then stops within the grace, in order: /readyz says
// no, then no new events and no new claims, attempts under way to their end, their
// outcomes to disk, the file closed. It returns what made it stop early, if
// something did.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	hints := together(a.hintParts()...)
	work := together(a.workParts()...)
	doors := together(a.doorParts()...)
	for _, s := range a.servers {
		go func() {
			if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				fail(fmt.Errorf("serve on %s: %w", s.listener.Addr(), err))
			}
		}()
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "ready", a.whatIsServed()...)

	for _, warning := range a.cfg.Warnings() {
		a.log.WarnContext(ctx, warning)
	}
	if len(a.cfg.AllowTargets) > 0 {
		a.log.InfoContext(ctx, "targets that are not public may be called", "networks", a.cfg.AllowTargets)
	}
	if a.sender != nil && a.cfg.Proxy.Addr != "" {
		a.log.InfoContext(ctx, "targets are called through a proxy", "proxy", a.cfg.Proxy.String())
	}

	for _, warning := range a.cfg.TargetCA.Warnings(time.Now()) {
		a.log.WarnContext(ctx, warning)
	}
	if !a.cfg.MasterKeys.Seals() && !a.cfg.Dev {
		a.log.WarnContext(ctx, "secrets are kept in the database as they are, for whoever can read it or a backup of it: set HOOKFERRY_MASTER_KEY to what `openssl rand -base64 32` prints, to seal them")
	}

	<-ctx.Done()
	a.stopping.Store(true)
	a.log.InfoContext(ctx, "stopping", "grace", a.cfg.ShutdownGrace.String())
	time.Sleep(a.notice()) // whoever asks /readyz now still gets an answer, and sends no more
	drained := make(chan struct{})
	go func() { defer close(drained); a.shutdown() }()
	err := errors.Join(doors.end(), work.end())
	<-drained
	if err := errors.Join(err, hints.end()); err != nil {
		a.log.WarnContext(ctx, "stopped with a remark", "remark", err)
	}
	a.log.InfoContext(ctx, "stopped")
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// whatIsServed names what this node serves, and where.
func (a *App) whatIsServed() []slog.Attr {
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

// notice is how long the service goes on as before once it is to stop, but for
// /readyz, and drain what is left of the grace after that.
func (a *App) notice() time.Duration {
	if a.cfg.Dev {
		return 0 // nobody balances the load of a developer's machine
	}
	return a.cfg.ShutdownGrace / 10
}

func (a *App) drain() time.Duration { return a.cfg.ShutdownGrace - a.notice() }

// shutdown lets requests under way end, the API's first.
func (a *App) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), a.drain())
	defer cancel()
	for _, s := range a.servers {
		if err := s.http.Shutdown(ctx); err != nil {
			s.http.Close()
		}
	}
}

// ready says whether events can be taken.
func (a *App) ready() error {
	if a.stopping.Load() {
		return errors.New("the service is stopping")
	}
	if err := a.health.failure(context.Background()); err != nil {
		return errors.New(inWords(err))
	}
	return nil
}
