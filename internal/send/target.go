package send

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"hookferry/internal/event"
	"hookferry/webhook"
)

// maxTargets bounds how many subscriptions are kept prepared.
const maxTargets = 10_000

// target is all of a subscription that an attempt needs, worked out once: the
// parsed URL, the signer, and the header fields that are always the same.
type target struct {
	of      event.Subscription // what it was made of, to tell when it has changed
	problem string             // why no request can be made; "" if one can
	code    event.Code         // of the problem
	url     *url.URL
	fields  []field
	signer  *webhook.Signer // nil if nothing is signed
}

// field is one header field, ready for the map of net/http: the name canonical,
// the values in a slice that requests share because nobody writes to it.
type field struct {
	name   string
	values []string
}

// madeOf compares what the target was made of instead of a version or a time of
// change, so that it can't be stale whatever the store does with those.
func (t *target) madeOf(sub *event.Subscription) bool {
	return t.of.TargetURL == sub.TargetURL &&
		slices.Equal(t.of.Secrets, sub.Secrets) &&
		maps.Equal(t.of.Headers, sub.Headers)
}

func prepare(sub *event.Subscription, userAgent string, guard *Guard) *target {
	t := &target{code: event.CodeBadTarget, of: event.Subscription{
		TargetURL: sub.TargetURL,
		Secrets:   slices.Clone(sub.Secrets),
		Headers:   maps.Clone(sub.Headers),
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
	t.prepareFields(userAgent)
	t.prepareSigner()
	return t
}

func (t *target) prepareFields(userAgent string) {
	for name, value := range t.of.Headers {
		if !validName(name) || !validValue(value) {
			t.problem = "the subscription's header " + quote(name) + " holds characters that can't be sent; replace the header"
			return
		}
		t.fields = append(t.fields, field{http.CanonicalHeaderKey(name), []string{value}})
	}
	t.fields = append(t.fields, field{"User-Agent", []string{userAgent}})
	if !t.has("Idempotency-Key") {
		// An entry without values sends nothing. It tells net/http that the request
		// may be repeated, which it does on another connection when a kept-alive one
		// turns out to be dead before a byte of the answer came. A receiver that did
		// see both knows them by webhook-id.
		t.fields = append(t.fields, field{"Idempotency-Key", nil})
	}
}

func (t *target) has(name string) bool {
	return slices.ContainsFunc(t.fields, func(f field) bool { return f.name == name })
}

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
