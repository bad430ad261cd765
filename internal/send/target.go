package send

import (
	"bytes"
	"cmp"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
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
	t.address = net.JoinHostPort(t.url.Hostname(), cmp.Or(t.url.Port(), ports[t.url.Scheme]))
	t.to = t.url.Scheme + "://" + t.address
	t.prepareHead(userAgent)
	t.prepareSigner()
	return t
}

// prepareHead has net/http write the header of a request without a body. What is
// missing is the fields that prepare sets, and the empty line.
func (t *target) prepareHead(userAgent string) {
	h := make(http.Header)
	for name, value := range t.of.Headers {
		if !validName(name) || !validValue(value) {
			t.problem = "the subscription's header " + quote(name) + " holds characters that can't be sent; replace the header"
			return
		}
		if name = http.CanonicalHeaderKey(name); !slices.Contains(setByPrepare, name) {
			h[name] = []string{value}
		}
	}
	h["User-Agent"] = []string{userAgent}
	var b bytes.Buffer
	r := http.Request{Method: http.MethodPost, URL: t.url, Header: h}
	if err := r.Write(&b); err != nil {
		t.problem = "no request can be made for the target URL: its path or host can't be sent"
		return
	}
	head := bytes.Replace(b.Bytes(), []byte("\r\nContent-Length: 0\r\n"), []byte("\r\n"), 1)
	t.head = bytes.TrimSuffix(head, []byte("\r\n"))
}

var setByPrepare = append([]string{"Content-Type", "Content-Length"}, signedFields...)

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
