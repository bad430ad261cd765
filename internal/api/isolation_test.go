package api

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/api/view"
	"github.com/hookferry/hookferry/internal/event"
)

// foreign is what belongs to the tenant "other" in the tests of isolation.
type foreign struct {
	subscription event.Subscription
	delivery     event.DeliveryReport
	attempt      event.AttemptReport
	key          event.APIKey
}

func newForeign() foreign {
	var f foreign
	f.subscription = event.Subscription{
		ID: event.NewID(testTime), Tenant: "other", TenantNo: otherNo, UID: "other-uid", Name: "Other", TargetURL: "https://other.example.com",
		Description: "of other", Active: true, CreatedAt: testTime, UpdatedAt: testTime, Revision: 1,
	}
	d := event.Delivery{ID: event.NewID(testTime), EventID: event.NewID(testTime), SubscriptionID: f.subscription.ID, CreatedAt: testTime, DueAt: testTime}
	settled := event.Settle(d, failedOutcome, event.RetryPolicy{time.Minute}, testTime, 0.5)
	f.delivery = event.DeliveryReport{Delivery: settled.Delivery, EventType: "other.type", Attempts: []event.Attempt{settled.Attempt}}
	f.key = event.APIKey{ID: event.NewID(testTime), Name: "of other", Scope: event.ScopeAdmin, Tenant: "other", TenantNo: otherNo, CreatedAt: testTime}
	f.attempt = event.AttemptReport{Attempt: settled.Attempt, EventID: d.EventID, EventType: "other.type"}
	return f
}

// acmeWorld returns a service that has the tenant acme with one subscription, whose id it returns,
// and one delivery. Its callers have a key that is bound to acme. The clock stands still.
func acmeWorld(t *testing.T, subscription event.ID) *server {
	t.Helper()
	s := newServer(t, withKeys, func(o *Options) { o.Now = func() time.Time { return testTime } })
	s.key = testKey + "-acme"
	s.memory.fillAcme(subscription)
	return s
}

func (m *memory) fillAcme(subscription event.ID) {
	m.tenant("")
	m.tenants = append(m.tenants, event.Tenant{No: acmeNo, ID: "acme", CreatedAt: testTime, UpdatedAt: testTime})
	m.subscriptions = append(m.subscriptions, event.Subscription{
		ID: subscription, Tenant: "acme", TenantNo: acmeNo, UID: "acme-uid", Name: "Acme", TargetURL: "https://acme.example.com",
		Active: true, CreatedAt: testTime, UpdatedAt: testTime, Revision: 1,
	})
	m.types = []event.EventType{{Name: "user.created", CreatedAt: testTime, UpdatedAt: testTime}}
}

func (m *memory) add(f foreign) {
	m.tenants = append(m.tenants, event.Tenant{No: otherNo, ID: "other", Name: "Other", CreatedAt: testTime, UpdatedAt: testTime})
	m.subscriptions = append(m.subscriptions, f.subscription)
	m.deliveries = append(m.deliveries, f.delivery)
	m.attempts = append(m.attempts, f.attempt)
	m.apiKeys = append(m.apiKeys, f.key)
}

// foreignBodies are bodies that name the other tenant or its subscription, by operation.
func foreignBodies(f foreign, method, path string) []string {
	id := f.subscription.ID.String()
	switch method + " " + path {
	case "POST /subscriptions/":
		return []string{`{"target_url": "https://example.com", "tenant": "other"}`, `{"target_url": "https://example.com", "tenant": "other", "uid": "other-uid"}`, `{"target_url": "https://example.com", "uid": "other-uid"}`}
	case "PUT /subscriptions/{id}", "PATCH /subscriptions/{id}":
		return []string{`{"target_url": "https://example.com", "tenant": "other"}`, `{"target_url": "https://example.com", "uid": "other-uid"}`}
	case "POST /events/", "POST /events/match":
		return []string{`{"event": "a", "data": 1, "tenant": "other"}`, `{"event": "a", "data": 1, "subscription_id": "` + id + `"}`, `{"event": "a", "data": 1, "tenant": "other", "subscription_id": "` + id + `"}`}
	case "POST /keys/":
		return []string{`{"name": "x", "scope": "read", "tenant": "other"}`, `{"name": "x", "scope": "read", "tenant": "default"}`}
	case "POST /events/batch":
		return []string{`{"events": [{"event": "a", "data": 1, "tenant": "other"}, {"event": "a", "data": 1, "subscription_id": "` + id + `"}, {"event": "a", "data": 1}]}`}
	}
	return nil
}

// foreignPaths returns the path of an operation with each value of its parameter, and with each query,
// that belongs to the other tenant.
func foreignPaths(f foreign, path string) []string {
	s, d := f.subscription, f.delivery.Delivery
	ids := []string{s.ID.String(), d.ID.String(), d.EventID.String()}
	for text, values := range map[string][]string{
		"{id}": append(ids, s.UID), "{subscription_id}": ids, "{delivery_id}": ids, "{tenant}": {"other", "default"}, "{key_id}": append(ids, f.key.ID.String()), "{name}": {"user.created"},
	} {
		if before, after, found := strings.Cut(path, text); found {
			var paths []string
			for _, v := range values {
				paths = append(paths, before+v+after, before+v+after+"?tenant=other")
			}
			return append(paths, before+"acme-uid"+after+"?tenant=other", before+"acme-uid"+after)
		}
	}
	paths := []string{path, path + "?tenant=other", path + "?q=other", path + "?q=example.com", path + "?event_type=other.type", path + "?sort=name", path + "?state=healthy"}
	for _, o := range []order{byCreation, byName, ofTenants, ofMatches, ofKeys} {
		for _, isBack := range []bool{false, true} {
			c := cursor{order: o, isBack: isBack, id: s.ID, name: s.Name}.String()
			paths = append(paths, path+"?cursor="+c, path+"?sort=name&cursor="+c)
		}
	}
	return paths
}

// A key that is bound to a tenant learns nothing of another one: each response is the same, byte for
// byte, as in a world in which the other tenant does not exist. And it changes nothing there.
func TestABoundKeySeesOneTenant(t *testing.T) {
	f, own := newForeign(), event.NewID(testTime)
	d := document(t)
	n := 0
	for path, item := range d["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			method = strings.ToUpper(method)
			operation := op.(map[string]any)
			if operation["security"] == nil {
				continue
			}
			bodies := append(exampleBodies(t, operation), foreignBodies(f, method, path)...)
			t.Run(method+" "+path, func(t *testing.T) {
				w := worlds{f: f, own: own, without: acmeWorld(t, own), with: acmeWorld(t, own)}
				for _, path := range foreignPaths(f, path) {
					for _, body := range bodies {
						w.compare(t, method, path, body)
						n++
					}
				}
			})
		}
	}
	if n < 200 {
		t.Errorf("only %d requests were compared", n)
	}
}

// worlds are two services: one with the other tenant, and one without it.
type worlds struct {
	f             foreign
	own           event.ID
	without, with *server
}

// compare sends a request to both worlds, each as it was at first.
func (w *worlds) compare(t *testing.T, method, path, body string) {
	t.Helper()
	for _, s := range []*server{w.without, w.with} {
		m := s.memory
		m.tenants, m.subscriptions, m.deliveries, m.attempts, m.apiKeys, m.published, m.submissions, m.keys = nil, nil, nil, nil, nil, nil, nil, nil
		m.fillAcme(w.own)
	}
	w.with.memory.add(w.f)
	before := w.with.memory.ofOther()
	want, got := w.without.direct(method, path, body), w.with.direct(method, path, body)
	if diff := cmp.Diff(seen(want, w.own, w.f), seen(got, w.own, w.f)); diff != "" {
		t.Errorf("%s %s %s differs if the other tenant exists: %s", method, path, body, diff)
	}
	if diff := cmp.Diff(before, w.with.memory.ofOther()); diff != "" {
		t.Errorf("%s %s %s changed the other tenant: %s", method, path, body, diff)
	}
}

// seen is what a caller sees of a response, with one text for each id that was made for it.
func seen(r reply, own event.ID, f foreign) map[string]string {
	known := []string{own.String(), f.subscription.ID.String(), f.delivery.Delivery.ID.String(), f.delivery.Delivery.EventID.String(), f.key.ID.String()}
	text := uuids.ReplaceAllStringFunc(r.text+" "+r.header.Get("Location"), func(id string) string {
		if slices.Contains(known, id) {
			return id
		}
		return "ID"
	})
	out := map[string]string{"text": secrets.ReplaceAllString(text, "SECRET")}
	for _, name := range []string{"Etag", "Allow", "Www-Authenticate", "Retry-After", "Content-Type", "Cache-Control"} {
		out[name] = r.header.Get(name)
	}
	return out
}

var (
	uuids   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	secrets = regexp.MustCompile(`(whsec_|hf_)[A-Za-z0-9+/=_-]+`)
)

// ofOther returns a copy of everything that belongs to the tenant "other".
func (m *memory) ofOther() (all []any) {
	for _, t := range m.tenants {
		if t.No == otherNo {
			all = append(all, t)
		}
	}
	for _, s := range m.subscriptions {
		if s.TenantNo == otherNo {
			s.Metadata, s.Headers = maps.Clone(s.Metadata), maps.Clone(s.Headers)
			all = append(all, s)
		}
	}
	for _, k := range m.apiKeys {
		if k.TenantNo == otherNo {
			all = append(all, k)
		}
	}
	for _, p := range m.published {
		if p.Tenant == "other" {
			all = append(all, p)
		}
	}
	return append(all, len(m.submissions))
}

// What belongs to all tenants is refused before the object is looked for.
func TestWhatConcernsAllTenantsNeedsAnUnboundKey(t *testing.T) {
	s := acmeWorld(t, event.NewID(testTime))
	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/tenants/acme", `{}`},
		{"PUT", "/tenants/new", `{}`},
		{"DELETE", "/tenants/acme", ``},
		{"DELETE", "/tenants/default", ``},
		{"POST", "/event-types/", `{"name": "a"}`},
		{"PUT", "/event-types/a", `{}`},
		{"DELETE", "/event-types/user.created", ``},
		{"GET", "/health/integrity", ``},
	} {
		r := s.want(403, s.do(c.method, c.path, c.body))
		if r.code() != "forbidden" || !strings.Contains(r.text, "bound to one") {
			t.Errorf("%s %s responds with %s", c.method, c.path, r.text)
		}
	}
}

func TestABoundKeyUsesItsTenant(t *testing.T) {
	s := acmeWorld(t, event.NewID(testTime))
	s.memory.add(newForeign())
	if r := s.want(200, s.do("GET", "/tenants/acme", "")); r.json["id"] != "acme" {
		t.Errorf("responds with %s", r.text)
	}
	if r := s.want(200, s.do("GET", "/tenants/", "")); len(r.json["data"].([]any)) != 1 {
		t.Errorf("responds with %s", r.text)
	}
	if r := s.want(201, s.do("POST", "/subscriptions/", minimal)); r.json["tenant"] != "acme" {
		t.Errorf("responds with %s", r.text)
	}
	if r := s.want(202, s.do("POST", "/events/", `{"event": "a", "data": 1}`)); r.json["tenant"] != "acme" || r.json["deliveries"] != 2.0 {
		t.Errorf("responds with %s", r.text)
	}
	if r := s.want(202, s.do("POST", "/events/", `{"event": "a", "data": 1, "tenant": "acme"}`)); r.json["tenant"] != "acme" {
		t.Errorf("responds with %s", r.text)
	}
	if r := s.want(200, s.do("GET", "/subscriptions/acme-uid", "")); r.json["name"] != "Acme" {
		t.Errorf("responds with %s", r.text)
	}
	id := s.want(200, s.do("GET", "/subscriptions/acme-uid?tenant=acme", "")).json["id"].(string)
	delivery := s.ingest(id).String()
	if r := s.want(200, s.do("GET", "/status/delivery/"+delivery, "")); r.json["tenant"] != "acme" {
		t.Errorf("responds with %s", r.text)
	}
}

// A node knows for a moment longer than the database that a key is valid. Such a key sees nothing of its
// deleted tenant's successor, and does not create the tenant again.
func TestAKeyDoesNotOutliveItsTenant(t *testing.T) {
	for _, again := range []bool{false, true} {
		s := acmeWorld(t, event.NewID(testTime))
		s.memory.tenants = slices.DeleteFunc(s.memory.tenants, func(t event.Tenant) bool { return t.ID == "acme" })
		if again {
			s.memory.tenants = append(s.memory.tenants, event.Tenant{No: acmeNo + 100, ID: "acme", Name: "the successor"})
		}
		before := len(s.memory.tenants)
		s.want(404, s.do("GET", "/tenants/acme", ""))
		s.want(404, s.do("POST", "/subscriptions/", minimal))
		if r := s.want(200, s.do("GET", "/tenants/", "")); len(r.json["data"].([]any)) != 0 || len(s.memory.tenants) != before {
			t.Errorf("lists %s, of %d tenants", r.text, len(s.memory.tenants))
		}
	}
}

// The handlers have no way to the backend but a view, and only authorize and route make one.
func TestHandlersReachStoresThroughViewsOnly(t *testing.T) {
	backend := reflect.TypeFor[Backend]()
	var forbidden []reflect.Type
	for f := range backend.Fields() {
		forbidden = append(forbidden, f.Type)
	}
	check := func(holder reflect.Type) {
		for f := range holder.Fields() {
			if f.Type == reflect.TypeFor[view.View]() {
				continue
			}
			for _, store := range forbidden {
				if f.Type.Implements(store) || f.Type == store || f.Type == backend {
					t.Errorf("%v has the field %s, which leads to %v without a view", holder, f.Name, store)
				}
			}
		}
	}
	check(reflect.TypeFor[api]())
	check(reflect.TypeFor[Config]())
	check(reflect.TypeFor[call]())
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		made := strings.Count(string(text), "views.For(") + strings.Count(string(text), "view.New(")
		if allowed := map[string]int{"router.go": 1, "api.go": 1}[file]; made != allowed && !strings.HasSuffix(file, "_test.go") {
			t.Errorf("%s makes views at %d places, want %d", file, made, allowed)
		}
	}
}
