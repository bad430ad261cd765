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

// DefaultTimeout bounds an attempt where neither the options nor the
// subscription say otherwise.
const DefaultTimeout = 10 * time.Second

// Options say how attempts are made.
type Options struct {
	UserAgent string         // "Hookferry" if empty
	Timeout   time.Duration  // of the whole exchange; DefaultTimeout if it is not positive
	Guard     *Guard         // nil allows public addresses alone
	Proxy     Proxy          // the way out; the zero Proxy is none
	Roots     *x509.CertPool // the certificate authorities that are trusted; nil: the system's
}

// Sender makes attempts. It is safe for concurrent use; make one and share it.
type Sender struct {
	timeout  time.Duration
	lookups  *lookups
	dialer   *net.Dialer
	proxy    *tunnels // nil without a proxy
	tls      *tls.Config
	sessions tls.ClientSessionCache // of TLS, to be resumed; as old as the roots that are trusted
	pool     pool
	targets  targets
	now      func() time.Time
}

// New makes a Sender.
func New(o Options) *Sender {
	if o.Guard == nil {
		o.Guard = NewGuard(Rules{})
	}
	s := &Sender{
		timeout: o.Timeout,
		targets: targets{userAgent: cmp.Or(o.UserAgent, "Hookferry"), guard: o.Guard, byID: make(map[event.ID]*target)},
		now:     time.Now,
		tls:     newTLS(o.Roots),
		// A Sender trusts the same roots all its life, so one cache is enough to keep what was
		// trusted by others out of it.
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

// newTLS asks for HTTP/1.1 alone. HTTP/2 would put all requests to an endpoint on one
// connection, where one that stalls holds up the others, and costs more for each small
// request than a pool of kept connections does.
func newTLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, RootCAs: roots}
}

// Close closes the connections that are idle. Attempts under way go on.
func (s *Sender) Close() { s.pool.close() }

// Send makes one attempt. It never takes longer than the timeout, and no part
// of it has a limit of its own. When ctx ends,
// the attempt is broken off: that is for a process that must stop now, and the
// Outcome says so.
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
	faultpoint.Reach("send: answered")
	return o
}

// limit is the timeout of an attempt for this subscription.
func (s *Sender) limit(sub event.Subscription) time.Duration {
	if sub.Timeout > 0 {
		return sub.Timeout
	}
	return s.timeout
}
