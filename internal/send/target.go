package send

import (
	"bytes"
	"cmp"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/webhook"
)

// maxTargets is the maximum number of targets in the cache.
const maxTargets = 10_000

// target is what an attempt needs of a subscription, computed once: the parsed URL, the
// signer, and the constant part of the header.
type target struct {
	source  event.Subscription // what it was made from, to detect changes
	problem string             // why no request can be made; "" if one can
	code    event.Code         // of the problem
	url     *url.URL
	address string          // host:port, to be dialled
	origin  string          // scheme and address, which identify reusable connections
	head    []byte          // the constant part of the request's header
	signer  *webhook.Signer // nil if nothing is signed
}

var ports = map[string]string{"http": "80", "https": "443"}

// isCurrent reports whether the target is up to date. It compares the content of the
// subscription rather than a revision or a time, so it does not depend on the store.
func (t *target) isCurrent(sub *event.Subscription) bool {
	return t.source.TargetURL == sub.TargetURL &&
		slices.Equal(t.source.Secrets, sub.Secrets) &&
		maps.Equal(t.source.Headers, sub.Headers) &&
		t.source.Settings.Equal(&sub.Settings)
}

func prepare(sub *event.Subscription, userAgent string, guard *Guard) *target {
	t := &target{code: event.CodeBadTarget, source: event.Subscription{
		TargetURL: sub.TargetURL,
		Secrets:   slices.Clone(sub.Secrets),
		Headers:   maps.Clone(sub.Headers),
		Settings:  sub.Settings,
	}}
	if t.problem = event.CheckTarget(sub.TargetURL); t.problem != "" {
		t.problem = "the target URL " + t.problem
		return t
	}
	// The subscription may have been accepted under other settings.
	if err := guard.CheckURL(sub.TargetURL); err != nil {
		t.code, t.problem = event.CodeBlocked, err.Error()
		return t
	}
	t.url, _ = url.Parse(sub.TargetURL) // CheckTarget has checked that it parses
	t.address = net.JoinHostPort(t.url.Hostname(), portOf(t.url))
	t.origin = t.url.Scheme + "://" + t.address
	t.prepareHead(userAgent)
	t.prepareSigner()
	return t
}

// prepareHead lets net/http write the header of a request without a body. The fields that
// exchange.prepare sets and the final empty line are missing. The names of the subscription's
// headers are sent as they were typed: HTTP ignores letter case, but some endpoints do not.
func (t *target) prepareHead(userAgent string) {
	h := make(http.Header)
	accepts := false
	for name, value := range t.source.Headers {
		if !validName(name) || !validValue(value) {
			t.problem = "the subscription's header " + quote(name) + " contains characters that can't be sent; replace the header"
			return
		}
		if !isReserved(name) {
			h[name] = []string{value}
			accepts = accepts || strings.EqualFold(name, "Accept")
		}
	}
	if !accepts { // some firewalls refuse requests without Accept
		h["Accept"] = []string{"*/*"}
	}
	h["User-Agent"] = []string{userAgent}
	var b bytes.Buffer
	r := http.Request{Method: http.MethodPost, URL: t.url, Host: hostOf(t.url), Header: h}
	if err := r.Write(&b); err != nil {
		t.problem = "no request can be made for the target URL: its path or host contains characters that can't be sent"
		return
	}
	head := bytes.Replace(b.Bytes(), []byte("\r\nContent-Length: 0\r\n"), []byte("\r\n"), 1)
	t.head = bytes.TrimSuffix(head, []byte("\r\n"))
}

// hostOf returns the Host of a request. Like other clients, it omits the scheme's default port
// (RFC 9110, section 4.2.3).
func hostOf(u *url.URL) string {
	port := portOf(u)
	if port != ports[u.Scheme] {
		return net.JoinHostPort(u.Hostname(), port)
	}
	if host := u.Hostname(); !strings.Contains(host, ":") {
		return host
	}
	return "[" + u.Hostname() + "]"
}

// portOf returns the port to connect to, without leading zeros.
func portOf(u *url.URL) string {
	return cmp.Or(strings.TrimLeft(u.Port(), "0"), ports[u.Scheme])
}

// reservedHeaders are the headers that Hookferry sets itself, or that would change how the
// request is framed, in lower case. Subscriptions with one of them are refused. If the database
// contains one anyway, it is not sent.
var reservedHeaders = []string{
	"host", "user-agent", "content-type", "content-length", "transfer-encoding", "trailer", "connection",
	headerID, headerTimestamp, headerSignature, headerEvent, headerAttempt, strings.ToLower(webhook.HeaderHubSignature),
}

func isReserved(name string) bool { return slices.Contains(reservedHeaders, strings.ToLower(name)) }

func (t *target) prepareSigner() {
	if len(t.source.Secrets) == 0 {
		return
	}
	texts := make([]string, len(t.source.Secrets))
	for i, secret := range t.source.Secrets {
		texts[i] = string(secret)
	}
	signer, err := webhook.NewSigner(texts...) // its errors identify a secret by its position
	if err != nil {
		t.problem = "the subscription's secrets can't be used to sign: " + err.Error()
		return
	}
	t.signer = signer
}

// targets is a cache of at most maxTargets targets.
type targets struct {
	userAgent string
	guard     *Guard

	mu   sync.RWMutex
	byID map[event.ID]*target
}

func (c *targets) get(sub *event.Subscription) *target {
	c.mu.RLock()
	t := c.byID[sub.ID]
	c.mu.RUnlock()
	if t != nil && t.isCurrent(sub) {
		return t
	}
	t = prepare(sub, c.userAgent, c.guard)
	c.put(sub.ID, t)
	return t
}

func (c *targets) put(id event.ID, t *target) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID[id] == nil && len(c.byID) >= maxTargets {
		for other := range c.byID { // a random one: Go iterates over maps in random order
			delete(c.byID, other)
			break
		}
	}
	c.byID[id] = t
}
