package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/release010"
)

const (
	posters  = 16
	pause    = 10 * time.Millisecond // of a poster between two events
	killedAt = 80                    // number of accepted events under load before the kill
	// renewed is how long leases are held before the load, so that they are renewed in the
	// meantime.
	renewed = 10 * time.Second
)

// loader creates the subscriptions of the plans and publishes their events.
type loader struct {
	service   *service
	endpoints *endpoints
	next      atomic.Int64 // numbers the events

	mu   sync.Mutex
	subs []release010.Subscription // in the order of plans
}

// quiet creates the subscriptions, and everything that has time to reach its final state.
func (l *loader) quiet() error {
	for i, p := range plans {
		if err := l.subscribe(p); err != nil {
			return err
		}
		if err := l.postMany(i, p.quiet); err != nil {
			return err
		}
	}
	if err := l.service.idle(); err != nil {
		return err
	}
	for i, p := range plans {
		if err := l.change(i, p); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) subscribe(p plan) error {
	host := p.host
	if host == "" {
		host = "127.0.0.1"
	}
	body := fmt.Sprintf(`{"target_url": %q`, l.endpoints.url(host, p.path))
	if p.settings != "" {
		body += ", " + p.settings
	}
	body += "}"
	s := release010.Subscription{About: p.about, State: "active", Settings: json.RawMessage(body)}
	if err := l.service.must(http.StatusCreated, http.MethodPost, "/subscriptions/", body, &struct{ ID *event.ID }{&s.ID}); err != nil {
		return err
	}
	l.subs = append(l.subs, s)
	return nil
}

func (l *loader) change(i int, p plan) error {
	s, path := &l.subs[i], "/subscriptions/"+l.subs[i].ID.String()
	var now struct {
		IsActive bool `json:"is_active"`
	}
	switch p.after {
	case deactivate:
		s.State = "inactive"
		body := strings.TrimSuffix(string(s.Settings), "}") + `, "is_active": false}`
		return l.service.must(http.StatusOK, http.MethodPut, path, body, nil)
	case remove:
		s.State = "deleted"
		return l.service.must(http.StatusNoContent, http.MethodDelete, path, "", nil)
	}
	err := l.service.must(http.StatusOK, http.MethodGet, path, "", &now)
	if !now.IsActive {
		s.State = "disabled"
	}
	return err
}

// load publishes the first events of the second process, and then publishes from many connections
// until enough events are accepted. In the middle of that, it calls kill.
func (l *loader) load(kill func()) error {
	for i, p := range plans {
		if err := l.postMany(i, p.begun); err != nil {
			return err
		}
	}
	time.Sleep(renewed)
	var posted atomic.Int64
	enough := make(chan struct{})
	var all sync.WaitGroup
	for range posters {
		all.Go(func() {
			for {
				i := int(l.next.Load()) % len(plans)
				if !plans[i].loaded {
					l.next.Add(1)
					continue
				}
				if _, err := l.post(i); err != nil {
					return // the service is killed
				}
				if posted.Add(1) == killedAt {
					close(enough)
				}
				time.Sleep(pause)
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(time.Minute):
		return errors.New("the load was not accepted within a minute")
	}
	kill()
	all.Wait()
	return nil
}

// postMany publishes events to a subscription. It ignores refusals.
func (l *loader) postMany(i, events int) error {
	for range events {
		if _, err := l.post(i); err != nil {
			return err
		}
	}
	return nil
}

// post publishes an event, and records it if it is accepted.
func (l *loader) post(i int) (acknowledged bool, err error) {
	e, header, body := l.compose(plans[i])
	times := 1
	if plans[i].keyed {
		times = 2
	}
	for range times {
		status, response, err := l.service.call(http.MethodPost, "/webhooks/ingest/"+l.subs[i].ID.String(), header, body)
		if err != nil {
			return acknowledged, err
		}
		if status != http.StatusAccepted {
			continue
		}
		var ids struct {
			EventID    event.ID `json:"event_id"`
			DeliveryID event.ID `json:"delivery_id"`
		}
		if err := json.Unmarshal(response, &ids); err != nil {
			return acknowledged, err
		}
		if acknowledged && ids.EventID != e.ID {
			return true, fmt.Errorf("the same idempotency key %q got two events, %v and %v", e.IdempotencyKey, e.ID, ids.EventID)
		}
		e.ID, e.DeliveryID = ids.EventID, ids.DeliveryID
		if !acknowledged {
			l.note(i, e)
		}
		acknowledged = true
	}
	return acknowledged, nil
}

func (l *loader) note(i int, e release010.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subs[i].Acknowledged = append(l.subs[i].Acknowledged, e)
}

// compose makes the next event. Most are small, some are larger than a page of the database, and a
// few are as large as many pages.
func (l *loader) compose(p plan) (e release010.Event, header http.Header, body []byte) {
	n := l.next.Add(1)
	e.Type = []string{"order.created", "order.paid", "user.created"}[n%3]
	size := 40
	switch {
	case n%150 == 10:
		size = 70 << 10
	case n%40 == 5:
		size = 5 << 10
	}
	body = fmt.Appendf(nil, `{"event": %q, "data": {"n": %d, "name": "Größe ✓", "pad": %q}}`, e.Type, n, strings.Repeat("0123456789", size/10))
	sum := sha256.Sum256(body)
	e.SHA256 = hex.EncodeToString(sum[:])
	header = http.Header{}
	if p.keyed {
		e.IdempotencyKey = fmt.Sprintf("order-%d", n)
		header.Set("Idempotency-Key", e.IdempotencyKey)
	}
	if p.secret != "" {
		mac := hmac.New(sha256.New, []byte(p.secret))
		mac.Write(body)
		header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	return e, header, body
}

func (l *loader) content() []release010.Subscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.subs
}
