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

// maxTargets bounds how many subscriptions are kept prepared.
const maxTargets = 10_000

// target is all of a subscription that an attempt needs, worked out once: the
// parsed URL, the signer, and the part of the header that is always the same.
type target struct {
	of      event.Subscription // what it was made of, to tell when it has changed
	problem string             // why no request can be made; "" if one can
	code    event.Code         // of the problem
	url     *url.URL
	address string          // host:port, to be dialled
	to      string          // the end that a connection leads to: scheme and address
	head    []byte          // the part of the request's header that is always the same
	signer  *webhook.Signer // nil if nothing is signed
}

var ports = map[string]string{"http": "80", "https": "443"}

// madeOf compares what the target was made of instead of a version or a time of
// change, so that it can't be stale whatever the store does with those.
func (t *target) madeOf(sub *event.Subscription) bool {
	return t.of.TargetURL == sub.TargetURL &&
		slices.Equal(t.of.Secrets, sub.Secrets) &&
		maps.Equal(t.of.Headers, sub.Headers) &&
		t.of.Settings.Equal(&sub.Settings)
}

func prepare(sub *event.Subscription, userAgent string, guard *Guard) *target {
	t := &target{code: event.CodeBadTarget, of: event.Subscription{
		TargetURL: sub.TargetURL,
		Secrets:   slices.Clone(sub.Secrets),
		Headers:   maps.Clone(sub.Headers),
		Settings:  sub.Settings,
	}}
	if t.problem = event.CheckTarget(sub.TargetURL); t.problem != "" {
		t.problem = "the target URL " + t.problem
		return t
	}
	// What was let in under other settings is judged again under these.
	if err := guard.CheckURL(sub.TargetURL); err != nil {
		t.code, t.problem = event.CodeBlocked, err.Error()
		return t
	}
	t.url, _ = url.Parse(sub.TargetURL) // CheckTarget has parsed it
	t.address = net.JoinHostPort(t.url.Hostname(), portOf(t.url))
	t.to = t.url.Scheme + "://" + t.address
	t.prepareHead(userAgent)
	t.prepareSigner()
	return t
}

// prepareHead has net/http write the header of a request without a body. What is
// missing is the fields that prepare sets, and the empty line. The names of the
// subscription's headers go out as they were typed: HTTP does not care about case,
// but some endpoints do.
func (t *target) prepareHead(userAgent string) {
	h := make(http.Header)
	accepts := false
	for name, value := range t.of.Headers {
		if !validName(name) || !validValue(value) {
			t.problem = "the subscription's header " + quote(name) + " holds characters that can't be sent; replace the header"
			return
		}
		if !isOurs(name) {
			h[name] = []string{value}
			accepts = accepts || strings.EqualFold(name, "Accept")
		}
	}
	if !accepts { // firewalls refuse requests that have none
		h["Accept"] = []string{"*/*"}
	}
	h["User-Agent"] = []string{userAgent}
	var b bytes.Buffer
	r := http.Request{Method: http.MethodPost, URL: t.url, Host: hostOf(t.url), Header: h}
	if err := r.Write(&b); err != nil {
		t.problem = "no request can be made for the target URL: its path or host can't be sent"
		return
	}
	head := bytes.Replace(b.Bytes(), []byte("\r\nContent-Length: 0\r\n"), []byte("\r\n"), 1)
	t.head = bytes.TrimSuffix(head, []byte("\r\n"))
}

// hostOf is the Host of a request: without the port that is the scheme's own, which
// other clients don't repeat (RFC 9110, section 4.2.3).
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

// portOf is the port to call, without the zeros that may lead it in the URL.
func portOf(u *url.URL) string {
	return cmp.Or(strings.TrimLeft(u.Port(), "0"), ports[u.Scheme])
}

// ourHeaders are those that Hookferry sets itself, or that would change how the
// request is framed, in lower case. Subscriptions that hold one are refused when they
// are made; what is in the database all the same is left out.
var ourHeaders = []string{
	"host", "user-agent", "content-type", "content-length", "transfer-encoding", "trailer", "connection",
	headerID, headerTimestamp, headerSignature, headerEvent, headerAttempt, strings.ToLower(webhook.HeaderHubSignature),
}

func isOurs(name string) bool { return slices.Contains(ourHeaders, strings.ToLower(name)) }

func (t *target) prepareSigner() {
	if len(t.of.Secrets) == 0 {
		return
	}
	texts := make([]string, len(t.of.Secrets))
	for i, secret := range t.of.Secrets {
		texts[i] = string(secret)
	}
	signer, err := webhook.NewSigner(texts...) // its errors name a secret by number
	if err != nil {
		t.problem = "the subscription's secrets can't sign: " + err.Error()
		return
	}
	t.signer = signer
}

// targets keeps prepared subscriptions, at most maxTargets.
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
	if t != nil && t.madeOf(sub) {
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
		for other := range c.byID { // any one: Go begins a map at a random place
			delete(c.byID, other)
			break
		}
	}
	c.byID[id] = t
}
