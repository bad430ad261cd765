package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
)

// published returns an event that is published to these subscriptions of a tenant at its present
// version.
func published(t testing.TB, s *postgres.Store, tenant string, key string, subs ...event.ID) event.Acceptance {
	t.Helper()
	to := tenantOf(t, s, tenant)
	return publishedAt(event.TenantChanges{Tenant: to, To: to.Version}, key, subs...)
}

// publishedAt is published at the version of c.
func publishedAt(c event.TenantChanges, key string, subs ...event.ID) event.Acceptance {
	now := time.Now()
	id := event.NewID(now)
	return event.Acceptance{
		Event:          event.Event{ID: id, Type: "user.created", ContentType: "application/json", Payload: []byte(`{}`), CreatedAt: now, TenantNo: c.Tenant.No},
		Deliveries:     deliveriesOf(id, now, subs...),
		IdempotencyKey: key, Published: true, TenantVersion: c.To, TypesVersion: 1,
	}
}

func deliveriesOf(id event.ID, at time.Time, subs ...event.ID) (list []event.Delivery) {
	for _, sub := range subs {
		list = append(list, event.Delivery{ID: event.DeliveryID(id, sub), EventID: id, SubscriptionID: sub, DueAt: at, CreatedAt: at})
	}
	return list
}

// Two nodes publish with one key at once. One event is stored, and the other publication is a
// replay of it.
func TestNodesUseAKeyAtOnce(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	nodes := []*postgres.Store{open(t, postgres.Options{URL: url}), open(t, postgres.Options{URL: url})}
	sub := member(t, nodes[0], "acme")
	const keys = 40
	var mu sync.Mutex
	receipts := map[string][]event.Receipt{}
	var wg sync.WaitGroup
	for i := range 3 * keys * len(nodes) {
		key := fmt.Sprintf("key-%d", i%keys)
		a := published(t, nodes[0], "acme", key, sub)
		wg.Go(func() {
			receipt, err := nodes[i%len(nodes)].Accept(t.Context(), a)
			if err != nil {
				t.Errorf("publish with %s: %v", key, err)
			}
			mu.Lock()
			defer mu.Unlock()
			receipts[key] = append(receipts[key], receipt)
		})
	}
	wg.Wait()
	for key, list := range receipts {
		stored := 0
		for _, r := range list {
			if !r.Replayed {
				stored++
			}
			if r.Event != list[0].Event || r.Made != 1 {
				t.Errorf("%s: %+v beside %+v", key, r, list[0])
			}
		}
		if stored != 1 {
			t.Errorf("%d events were stored with %s, want 1", stored, key)
		}
	}
	if n := query[int](t, url, `SELECT count(*) FROM events`)[0]; n != keys {
		t.Errorf("%d events are stored, want %d", n, keys)
	}
}

// A key that another transaction has written decides only when that one commits.
func TestKeyOfATransactionUnderWay(t *testing.T) {
	t.Parallel()
	for end, isReplay := range map[string]bool{`ROLLBACK`: false, `COMMIT`: true} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			url := server.Database(t, template)
			s := open(t, postgres.Options{URL: url})
			sub := member(t, s, "acme")
			a := published(t, s, "acme", "key-1", sub)
			first := event.NewID(time.Now())
			r := newRival(t, url)
			r.do(`BEGIN`)
			r.do(`INSERT INTO event_keys VALUES ($1, 'key-1', decode(repeat('00', 32), 'hex'), $2::uuid, 3, 2, now())`, a.Event.TenantNo, first.String())
			accepted := make(chan event.Receipt, 1)
			go func() {
				receipt, err := s.Accept(context.Background(), a)
				if err != nil {
					t.Error(err)
				}
				accepted <- receipt
			}()
			r.awaitBlocked()
			r.do(end)
			got := <-accepted
			if isReplay != got.Replayed || isReplay && (got.Event != first || got.Made != 3 || got.Refused != 2) || !isReplay && got.Event != a.Event.ID {
				t.Errorf("the receipt is %+v, want a replay: %v", got, isReplay)
			}
		})
	}
}

// While an event is matched in its transaction, its tenant does not change, and other events are
// stored.
func TestTenantIsLockedWhileItIsMatched(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	s, other := open(t, postgres.Options{URL: url}), open(t, postgres.Options{URL: url})
	sub := member(t, s, "acme")
	a := published(t, s, "acme", "", sub)
	late := member(t, s, "acme")
	created := make(chan error, 1)
	r := newRival(t, url) // only to look
	a.Rematch = func(c event.TenantChanges) ([]event.Delivery, error) {
		if len(c.Subscriptions) != 1 || c.Subscriptions[0].ID != late {
			t.Errorf("the changes are %+v, want that of %s", c.Subscriptions, late)
		}
		go func() {
			_, err := join(context.Background(), other, "acme")
			created <- err
		}()
		r.awaitBlocked()
		beside := publishedAt(c, "", sub, late)
		if _, err := other.Accept(t.Context(), beside); err != nil {
			t.Errorf("an event beside: %v", err)
		}
		beside = publishedAt(c, "", sub)
		beside.Rematch = func(event.TenantChanges) ([]event.Delivery, error) { return nil, errors.New("nothing has changed") }
		if _, err := other.Accept(t.Context(), beside); err != nil {
			t.Errorf("an event that may be matched beside: %v", err)
		}
		return deliveriesOf(a.Event.ID, a.Event.CreatedAt, sub, late), nil
	}
	receipt, err := s.Accept(t.Context(), a)
	if err != nil || len(receipt.Deliveries) != 2 || receipt.Made != 2 {
		t.Errorf("%+v, %v; want two deliveries", receipt, err)
	}
	if err := <-created; err != nil {
		t.Errorf("a subscription that was created meanwhile: %v", err)
	}
}

// A known key makes an event a replay before it is matched again.
func TestReplayIsNotMatched(t *testing.T) {
	t.Parallel()
	s := open(t, postgres.Options{})
	sub := member(t, s, "acme")
	first := published(t, s, "acme", "key-1", sub)
	if _, err := s.Accept(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	again := published(t, s, "acme", "key-1", sub)
	member(t, s, "acme")
	again.Rematch = func(event.TenantChanges) ([]event.Delivery, error) { return nil, event.ErrBacklog }
	if got, err := s.Accept(t.Context(), again); err != nil || !got.Replayed || got.Event != first.Event.ID {
		t.Errorf("%+v, %v; want a replay", got, err)
	}
	again.BodyHash[0]++
	if _, err := s.Accept(t.Context(), again); !errors.Is(err, event.ErrKeyReused) {
		t.Errorf("another body with the key: %v", err)
	}
}

// index is what a node knows of a tenant's subscriptions.
type index struct {
	t     *testing.T
	s     *postgres.Store
	known map[event.ID]bool
	event.TenantChanges
}

func (x *index) apply(c event.TenantChanges) {
	for _, sub := range c.Subscriptions {
		x.known[sub.ID] = !sub.Deleted()
	}
	x.TenantChanges = c
}

func (x *index) matching() (subs []event.ID) {
	for id, is := range x.known {
		if is {
			subs = append(subs, id)
		}
	}
	return subs
}

// publish stores an event as a node does: it reads the changes when the event is refused, and lets
// the store match it after three refusals.
func (x *index) publish() event.Receipt {
	for try := 0; ; try++ {
		a := publishedAt(x.TenantChanges, "", x.matching()...)
		if try > 2 {
			a.Rematch = func(c event.TenantChanges) ([]event.Delivery, error) {
				x.apply(c)
				return deliveriesOf(a.Event.ID, a.Event.CreatedAt, x.matching()...), nil
			}
		}
		receipt, err := x.s.Accept(x.t.Context(), a)
		if err == nil {
			return receipt
		}
		c, changesErr := x.s.TenantChanges(x.t.Context(), x.Tenant.No, x.To, 1000)
		if !errors.Is(err, event.ErrStale) || changesErr != nil || try > 3 {
			x.t.Errorf("publish: %v, %v", err, changesErr)
			return event.Receipt{}
		}
		x.apply(c)
	}
}

// An event has a delivery to every subscription whose creation had returned on any node before the
// event was published, and to none whose deletion had.
func TestEventsSeeWhatWasCommittedBefore(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	nodes := []*postgres.Store{open(t, postgres.Options{URL: url}), open(t, postgres.Options{URL: url})}
	member(t, nodes[0], "acme")
	first, err := nodes[0].TenantChanges(t.Context(), tenantOf(t, nodes[0], "acme").No, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	there, gone := map[event.ID]bool{first.Subscriptions[0].ID: true}, map[event.ID]bool{}
	var wg sync.WaitGroup
	for i := range 3 {
		s := nodes[i%2]
		wg.Go(func() {
			for range 20 {
				kept, err := join(t.Context(), s, "acme")
				mu.Lock()
				there[kept] = true
				mu.Unlock()
				deleted, deleteErr := join(t.Context(), s, "acme")
				if deleteErr == nil {
					deleteErr = s.DeleteSubscription(t.Context(), deleted, time.Now(), 0)
				}
				mu.Lock()
				gone[deleted] = true
				mu.Unlock()
				if err := errors.Join(err, deleteErr); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			x := &index{t: t, s: nodes[(i+1)%2], known: map[event.ID]bool{}}
			x.apply(first)
			for range 40 {
				mu.Lock()
				var want, never []event.ID
				for id := range there {
					want = append(want, id)
				}
				for id := range gone {
					never = append(never, id)
				}
				mu.Unlock()
				receipt := x.publish()
				made := map[event.ID]bool{}
				for _, id := range receipt.Deliveries {
					made[id] = true
				}
				for _, id := range want {
					if !made[event.DeliveryID(receipt.Event, id)] {
						t.Errorf("event %s has no delivery to %s, which was there before", receipt.Event, id)
					}
				}
				for _, id := range never {
					if made[event.DeliveryID(receipt.Event, id)] {
						t.Errorf("event %s has a delivery to %s, which was deleted before", receipt.Event, id)
					}
				}
			}
		})
	}
	wg.Wait()
}

// What a publisher gave is stored beside the event.
func TestAttributesAreStored(t *testing.T) {
	t.Parallel()
	url := server.Database(t, template)
	s := open(t, postgres.Options{URL: url})
	sub := member(t, s, "acme")
	full := published(t, s, "acme", "key-\x00\xff", sub)
	full.Event.SingleAttempt = true
	full.Event.Attributes = &event.Attributes{Channels: []string{"eu"}, Metadata: map[string]string{"order": "8\x00814"}, Only: sub}
	bare := published(t, s, "acme", "", sub)
	for _, a := range []event.Acceptance{full, bare} {
		if _, err := s.Accept(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	got := query[string](t, url, `SELECT format('%s|%s|%s|%s|%s', tenant_no, metadata, idempotency_key, retry, delivery_count) FROM events ORDER BY metadata`)
	want := []string{
		fmt.Sprintf(`%d|||t|1`, bare.Event.TenantNo),
		fmt.Sprintf(`%d|{"channels":["eu"],"metadata":{"order":"8\u0000814"},"only":"%s"}|key-%s|f|1`, full.Event.TenantNo, sub, "\ufffd\ufffd"),
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("stored %s, want %s", got[i], want[i])
		}
	}
	if again, err := s.Accept(t.Context(), full); err != nil || !again.Replayed { // the key is kept byte for byte
		t.Errorf("%+v, %v; want a replay", again, err)
	}
}
