package send

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/faultpoint"
)

// DefaultTimeout is the timeout of an attempt if neither the options nor the subscription set
// one.
const DefaultTimeout = 10 * time.Second

// Options configure a Sender.
type Options struct {
	UserAgent string         // "Hookferry" if empty
	Timeout   time.Duration  // of the whole exchange; DefaultTimeout if it is not positive
	Guard     *Guard         // nil: only public addresses may be called
	Proxy     Proxy          // the zero Proxy means no proxy
	Roots     *x509.CertPool // the trusted certificate authorities; nil: the system's
}

// Sender makes attempts. It is safe for concurrent use; make one and share it.
type Sender struct {
	timeout  time.Duration
	lookups  *lookups
	dialer   *net.Dialer
	proxy    *tunnels // nil without a proxy
	tls      *tls.Config
	sessions tls.ClientSessionCache
	pool     pool
	targets  targets
	now      func() time.Time
}

// New returns a Sender.
func New(o Options) *Sender {
	if o.Guard == nil {
		o.Guard = NewGuard(Rules{})
	}
	s := &Sender{
		timeout: o.Timeout,
		targets: targets{userAgent: cmp.Or(o.UserAgent, "Hookferry"), guard: o.Guard, byID: make(map[event.ID]*target)},
		now:     time.Now,
		tls:     newTLS(o.Roots),
		// A session must not be resumed by a Sender that trusts other roots, so each Sender has
		// its own cache.
		sessions: tls.NewLRUClientSessionCache(maxSessions),
		lookups:  newLookups(),
		dialer:   &net.Dialer{ControlContext: control},
	}
	if s.timeout <= 0 {
		s.timeout = DefaultTimeout
	}
	if o.Proxy.Addr != "" {
		s.proxy = newTunnels(o.Proxy, s.targets.userAgent, s.lookups)
	}
	return s
}

// newTLS offers only HTTP/1.1. HTTP/2 would send all requests to an endpoint over one connection,
// where one that stalls delays the others, and each small request would cost more than with a
// pool of idle connections.
func newTLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, RootCAs: roots}
}

// Close closes the idle connections. Attempts under way continue.
func (s *Sender) Close() { s.pool.close() }

// Send makes one attempt. It never takes longer than the timeout. If ctx ends, the attempt is
// aborted, and the Outcome says so; that is for a process that must stop now.
func (s *Sender) Send(ctx context.Context, sub event.Subscription, c event.Claimed) event.Outcome {
	o := event.Outcome{StartedAt: s.now()}
	t := s.targets.get(&sub)
	if t.problem != "" {
		o.Code, o.Error = t.code, t.problem
		return o
	}
	x := exchanges.Get().(*exchange)
	defer x.free()
	if problem := x.prepare(t, &c, o.StartedAt); problem != "" {
		o.Code, o.Error = event.CodeBadTarget, problem
		return o
	}

	a := newAttempt(ctx, s.limit(sub))
	a.proxied = s.proxy != nil
	faultpoint.Reach("send: dialling")
	if err := s.exchange(a, t, x, &o); err != nil {
		a.fail(&o, t.url.Hostname(), err)
	}
	a.report(&o)
	faultpoint.Reach("send: responded")
	return o
}

// limit returns the timeout of an attempt for this subscription.
func (s *Sender) limit(sub event.Subscription) time.Duration {
	if sub.Timeout > 0 {
		return sub.Timeout
	}
	return s.timeout
}
