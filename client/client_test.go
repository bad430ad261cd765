package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/client"
)

// serve starts a server and returns a client for it.
func serve(t *testing.T, h http.HandlerFunc, opts ...client.Option) *client.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL+"/", opts...) // the slash must not be doubled
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func TestRequests(t *testing.T) {
	const id = "019ab2c4-5d6e-7f80-9a1b-2c3d4e5f6071"
	off := false
	for _, test := range []struct {
		reason string
		call   func(context.Context, *client.Client) error
		want   string // method, URI and body
	}{
		{
			"a default is not sent, so that the service decides", func(ctx context.Context, c *client.Client) error {
				_, err := c.CreateSubscription(ctx, client.SubscriptionInput{TargetURL: "https://example.com/a?b=1&c=2"})
				return err
			}, `POST /subscriptions/ {"target_url":"https://example.com/a?b=1\u0026c=2"}`,
		},
		{
			"no retries and inactive are said, although they are Go's zero values", func(ctx context.Context, c *client.Client) error {
				_, err := c.ReplaceSubscription(ctx, id, client.SubscriptionInput{TargetURL: "https://a.example", IsActive: &off, RetryScheduleSeconds: []float64{}})
				return err
			}, `PUT /subscriptions/` + id + ` {"target_url":"https://a.example","is_active":false,"retry_schedule_seconds":[]}`,
		},
		{
			"a change says null", func(ctx context.Context, c *client.Client) error {
				_, err := c.PatchSubscription(ctx, id, client.SubscriptionPatch{"timeout_seconds": nil, "headers": map[string]any{"X-Old": nil}, "is_active": false})
				return err
			}, `PATCH /subscriptions/` + id + ` {"headers":{"X-Old":null},"is_active":false,"timeout_seconds":null}`,
		},
		{
			"a change of nothing is an object", func(ctx context.Context, c *client.Client) error {
				_, err := c.PatchSubscription(ctx, id, nil)
				return err
			}, `PATCH /subscriptions/` + id + ` {}`,
		},
		{
			"a pause says why", func(ctx context.Context, c *client.Client) error {
				_, err := c.PauseSubscription(ctx, id, "maintenance")
				return err
			}, `POST /subscriptions/` + id + `/pause {"reason":"maintenance"}`,
		},
		{
			"or does not", func(ctx context.Context, c *client.Client) error {
				_, err := c.PauseSubscription(ctx, id, "")
				return err
			}, `POST /subscriptions/` + id + `/pause {}`,
		},
		{
			"a pause ends", func(ctx context.Context, c *client.Client) error {
				_, err := c.ResumeSubscription(ctx, id)
				return err
			}, `POST /subscriptions/` + id + `/resume `,
		},
		{
			"one is read", func(ctx context.Context, c *client.Client) error {
				_, err := c.Subscription(ctx, id)
				return err
			}, `GET /subscriptions/` + id + ` `,
		},
		{
			"one is deleted", func(ctx context.Context, c *client.Client) error { return c.DeleteSubscription(ctx, id) },
			`DELETE /subscriptions/` + id + ` `,
		},
		{
			"raw data keeps its bytes: order, spaces, numbers too large for float64, and no HTML escapes", func(ctx context.Context, c *client.Client) error {
				_, err := c.PublishTo(ctx, id, client.Event{Type: "a.b", Data: json.RawMessage(`{ "z":1e999,"a":"<&>"}`)})
				return err
			}, `POST /webhooks/ingest/` + id + ` {"event":"a.b","data":{ "z":1e999,"a":"<&>"}}`,
		},
		{
			"other data is marshalled, without HTML escapes", func(ctx context.Context, c *client.Client) error {
				_, err := c.PublishTo(ctx, id, client.Event{Type: `a"b`, Data: map[string]string{"a": "<&>"}})
				return err
			}, `POST /webhooks/ingest/` + id + ` {"event":"a\"b","data":{"a":"<&>"}}`,
		},
		{
			"an event for a tenant has only the fields that are set", func(ctx context.Context, c *client.Client) error {
				_, err := c.Publish(ctx, client.Event{Type: "a.b", Data: json.RawMessage(`{ "z":1e999}`)})
				return err
			}, `POST /events/ {"event":"a.b","data":{ "z":1e999}}`,
		},
		{
			"or all of them; the idempotency key is a header", func(ctx context.Context, c *client.Client) error {
				_, err := c.Publish(ctx, client.Event{
					Type: "a", Data: 1, Tenant: "acme", Channels: []string{"x"}, Metadata: map[string]string{"k": "<v>"},
					DeliverAt: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), SubscriptionID: id, NoRetry: true, IdempotencyKey: "key",
				})
				return err
			}, `POST /events/ {"event":"a","tenant":"acme","channels":["x"],"metadata":{"k":"<v>"},"deliver_at":"2030-01-02T03:04:05Z","subscription_id":"` + id + `","retry":false,"data":1}`,
		},
		{
			"a tenant is put", func(ctx context.Context, c *client.Client) error {
				_, err := c.PutTenant(ctx, "acme", client.TenantInput{Name: "Acme", Limits: client.TenantLimits{Pending: 5}})
				return err
			}, `PUT /tenants/acme {"name":"Acme","limits":{"pending":5}}`,
		},
		{
			"a tenant of defaults is an object", func(ctx context.Context, c *client.Client) error {
				_, err := c.PutTenant(ctx, "acme", client.TenantInput{})
				return err
			}, `PUT /tenants/acme {}`,
		},
		{
			"a tenant is read", func(ctx context.Context, c *client.Client) error {
				_, err := c.Tenant(ctx, "acme")
				return err
			}, `GET /tenants/acme `,
		},
		{
			"a tenant is deleted", func(ctx context.Context, c *client.Client) error { return c.DeleteTenant(ctx, "a/b") },
			`DELETE /tenants/a%2Fb `,
		},
		{
			"an event type is put", func(ctx context.Context, c *client.Client) error {
				_, err := c.PutEventType(ctx, "a.b", client.EventTypeInput{Schema: json.RawMessage(`{"type":"object"}`)})
				return err
			}, `PUT /event-types/a.b {"schema":{"type":"object"}}`,
		},
		{
			"an event type is read", func(ctx context.Context, c *client.Client) error {
				_, err := c.EventType(ctx, "a/b:c")
				return err
			}, `GET /event-types/a%2Fb:c `,
		},
		{
			"an event type is archived", func(ctx context.Context, c *client.Client) error { return c.ArchiveEventType(ctx, "a.b") },
			`DELETE /event-types/a.b `,
		},
		{
			"a subscription is read by its uid", func(ctx context.Context, c *client.Client) error {
				_, err := c.SubscriptionByUID(ctx, "acme", "bill&ing")
				return err
			}, `GET /subscriptions/bill&ing?tenant=acme `,
		},
		{
			"and of the tenant of the key", func(ctx context.Context, c *client.Client) error {
				_, err := c.SubscriptionByUID(ctx, "", "billing")
				return err
			}, `GET /subscriptions/billing `,
		},
		{
			"subscriptions are found", func(ctx context.Context, c *client.Client) error {
				return each(c.FindSubscriptions(ctx, client.SubscriptionQuery{Tenant: "acme", Text: "a&b", State: "failing", EventType: "a.b", Sort: client.SortName}))
			}, `GET /subscriptions/?limit=250&event_type=a.b&q=a%26b&sort=name&state=failing&tenant=acme `,
		},
		{
			"tenants are found", func(ctx context.Context, c *client.Client) error { return each(c.FindTenants(ctx, "ac")) },
			`GET /tenants/?limit=250&q=ac `,
		},
		{
			"a match is a POST of the event", func(ctx context.Context, c *client.Client) error {
				return each(c.Match(ctx, client.Event{Type: "a", Data: 1, Tenant: "acme"}))
			}, `POST /events/match?limit=250 {"event":"a","tenant":"acme","data":1}`,
		},
		{
			"a key is created", func(ctx context.Context, c *client.Client) error {
				_, err := c.CreateKey(ctx, client.KeyInput{Name: "shop", Scope: "publish", Tenant: "acme"})
				return err
			}, `POST /keys/ {"name":"shop","scope":"publish","tenant":"acme"}`,
		},
		{
			"a key is revoked", func(ctx context.Context, c *client.Client) error { return c.RevokeKey(ctx, id) },
			`DELETE /keys/` + id + ` `,
		},
		{
			"the service says what it is", func(ctx context.Context, c *client.Client) error {
				_, err := c.Meta(ctx)
				return err
			}, `GET /meta `,
		},
		{
			"no data is null, which is a value", func(ctx context.Context, c *client.Client) error {
				_, err := c.PublishTo(ctx, id, client.Event{Type: "a"})
				return err
			}, `POST /webhooks/ingest/` + id + ` {"event":"a","data":null}`,
		},
		{
			"an invalid id can't lead to another path", func(ctx context.Context, c *client.Client) error {
				_, err := c.Delivery(ctx, "../../health?a#b")
				return err
			}, `GET /status/delivery/..%2F..%2Fhealth%3Fa%23b `,
		},
	} {
		var got string
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got = fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), body)
			io.WriteString(w, "{}")
		})
		if err := test.call(t.Context(), c); err != nil {
			t.Errorf("%s: %v", test.reason, err)
		}
		if got != test.want {
			t.Errorf("%s: sent\n%s\nwant\n%s", test.reason, got, test.want)
		}
	}
}

// each goes through a list and returns its error.
func each[T any](list iter.Seq2[T, error]) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestHeaders(t *testing.T) {
	var got http.Header
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		io.WriteString(w, "{}")
	}, client.WithKey("hf_key"))
	for path, publish := range map[string]func(client.Event) error{
		"to one":      func(e client.Event) error { _, err := c.PublishTo(t.Context(), "s", e); return err },
		"to a tenant": func(e client.Event) error { _, err := c.Publish(t.Context(), e); return err },
	} {
		if err := publish(client.Event{Type: "a", IdempotencyKey: "order 7"}); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"Authorization": "Bearer hf_key", "Idempotency-Key": "order 7", "Content-Type": "application/json",
		} {
			if got.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got.Get(name), want)
			}
		}
	}
}

func TestConditionalChanges(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Method + " " + r.Header.Get("If-Match")
		w.Header().Set("ETag", `"17"`)
		io.WriteString(w, "{}")
	})
	ctx := t.Context()
	read, err := c.Subscription(ctx, "s")
	if err != nil || read.ETag != `"17"` || got != "GET " {
		t.Fatalf("read with %q: %+v, %v", got, read, err)
	}
	for want, change := range map[string]func(...client.ChangeOption) (client.Subscription, error){
		"PUT": func(opts ...client.ChangeOption) (client.Subscription, error) {
			return c.ReplaceSubscription(ctx, "s", read.Input(), opts...)
		},
		"PATCH": func(opts ...client.ChangeOption) (client.Subscription, error) {
			return c.PatchSubscription(ctx, "s", client.SubscriptionPatch{}, opts...)
		},
		"DELETE": func(opts ...client.ChangeOption) (client.Subscription, error) {
			return client.Subscription{ETag: `"17"`}, c.DeleteSubscription(ctx, "s", opts...)
		},
	} {
		if s, err := change(client.IfMatch(read.ETag)); err != nil || got != want+` "17"` || s.ETag != `"17"` {
			t.Errorf("a conditional %s sent %q: %+v, %v", want, got, s, err)
		}
		if _, err := change(); err != nil || got != want+" " {
			t.Errorf("a %s sent %q, %v", want, got, err)
		}
	}
}

func TestRefusedWithoutARequest(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) })
	ctx := t.Context()
	_, empty := c.Subscription(ctx, "")
	_, patched := c.PatchSubscription(ctx, "", client.SubscriptionPatch{"is_active": false})
	_, paused := c.PauseSubscription(ctx, "", "x")
	_, resumed := c.ResumeSubscription(ctx, "..")
	_, parent := c.Delivery(ctx, "..")
	_, notJSON := c.PublishTo(ctx, "s", client.Event{Type: "a", Data: json.RawMessage(`{"a":`)})
	_, noValue := c.PublishTo(ctx, "s", client.Event{Type: "a", Data: func() {}})
	var listed error
	for _, listed = range c.Attempts(ctx, "") {
	}
	_, forTenant := c.PublishTo(ctx, "s", client.Event{Type: "a", Tenant: "acme"})
	_, notRetried := c.PublishTo(ctx, "s", client.Event{Type: "a", NoRetry: true})
	_, batch := c.PublishBatch(ctx, []client.Event{{Type: "a"}, {Type: "a", Data: json.RawMessage(`{`)}})
	_, put := c.PutTenant(ctx, "", client.TenantInput{})
	_, tenant := c.Tenant(ctx, "..")
	_, eventType := c.EventType(ctx, "")
	_, putType := c.PutEventType(ctx, "a", client.EventTypeInput{Schema: json.RawMessage(`{`)})
	_, uid := c.SubscriptionByUID(ctx, "acme", "")
	for reason, err := range map[string]error{
		"a tenant would be ignored":                forTenant,
		"no retries would be ignored":              notRetried,
		"cut JSON in a batch":                      batch,
		"cut JSON, matched":                        each(c.Match(ctx, client.Event{Type: "a", Data: json.RawMessage(`{`)})),
		"an empty tenant, put":                     put,
		"a path element, not a tenant":             tenant,
		"an empty tenant, deleted":                 c.DeleteTenant(ctx, ""),
		"an empty event type":                      eventType,
		"a schema that is cut JSON":                putType,
		"an empty event type, archived":            c.ArchiveEventType(ctx, ""),
		"an empty uid would list subscriptions":    uid,
		"an empty key, revoked":                    c.RevokeKey(ctx, ""),
		"an empty id would list all subscriptions": empty,
		"an empty id, paused":                      paused,
		"an empty id, resumed":                     resumed,
		"an empty id, changed":                     patched,
		"an empty id, deleted":                     c.DeleteSubscription(ctx, ""),
		"an empty id, its attempts":                listed,
		"a path element, not an id":                parent,
		"cut JSON":                                 notJSON,
		"a value that JSON can't hold":             noValue,
	} {
		if err == nil {
			t.Errorf("%s: no error", reason)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct{ base, key, reason string }{
		{"127.0.0.1:8000", "", "no scheme"},
		{"localhost:8000", "", "a host that looks like a scheme"},
		{"ftp://example.com", "", "another scheme"},
		{"http://", "", "no host"},
		{"http://:8000", "", "a port without a host"},
		{"http://me:geheim@example.com", "", "a password must be set with WithKey"},
		{"http://me:geheim@[::1", "", "a malformed URL may contain a password, so it must not be repeated"},
		{"http://example.com/?a=b", "", "a query would be cut off"},
		{"http://example.com", "geheim\r\nX: y", "a key that would split the header"},
		{"http://example.com", "geheim geheim", "a key with a space"},
	} {
		_, err := client.New(test.base, client.WithKey(test.key))
		if err == nil {
			t.Errorf("%s: accepted", test.reason)
		} else if strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: the error repeats what is secret: %v", test.reason, err)
		}
	}
}

func TestNewRefusesNoHTTPClient(t *testing.T) {
	if _, err := client.New("http://example.com", client.WithHTTPClient(nil)); err == nil {
		t.Error("a nil client was accepted")
	}
}

func TestProblems(t *testing.T) {
	const problem = "application/problem+json"
	for _, test := range []struct {
		reason      string
		status      int
		contentType string
		body        string
		header      http.Header
		want        client.Problem
		words       string
	}{
		{
			"a field is named", 422, problem,
			`{"type":"x","title":"Unprocessable Entity","status":422,"code":"invalid","detail":"Some fields are not valid.","errors":[{"field":"target_url","message":"must not be empty"},{"field":"headers","message":"are too many"}]}`,
			nil,
			client.Problem{Status: 422, Code: "invalid", Title: "Unprocessable Entity", Detail: "Some fields are not valid.", Errors: []client.FieldProblem{{"target_url", "must not be empty"}, {"headers", "are too many"}}},
			"the service responded with 422 Unprocessable Entity: Some fields are not valid. target_url: must not be empty; headers: are too many",
		},
		{
			"a field that detail names already is said once", 422, problem,
			`{"code":"invalid","detail":"target_url: must not be empty (and 1 more)","errors":[{"field":"target_url","message":"must not be empty"},{"field":"headers","message":"are too many"}]}`,
			nil,
			client.Problem{Status: 422, Code: "invalid", Title: "Unprocessable Entity", Detail: "target_url: must not be empty (and 1 more)", Errors: []client.FieldProblem{{"target_url", "must not be empty"}, {"headers", "are too many"}}},
			"the service responded with 422 Unprocessable Entity: target_url: must not be empty; headers: are too many",
		},
		{
			"it asks to wait, in seconds", 503, problem, `{"code":"unavailable","detail":"Try again."}`,
			http.Header{"Retry-After": {"2"}},
			client.Problem{Status: 503, Code: "unavailable", Title: "Service Unavailable", Detail: "Try again.", RetryAfter: 2 * time.Second},
			"the service responded with 503 Service Unavailable: Try again.",
		},
		{
			"an invalid Retry-After counts as none", 503, problem, `{}`,
			http.Header{"Retry-After": {"-1"}},
			client.Problem{Status: 503, Title: "Service Unavailable"},
			"the service responded with 503 Service Unavailable",
		},
		{
			"a proxy responds with HTML", 502, "text/html", "<h1>Bad gateway</h1>", nil,
			client.Problem{Status: 502, Title: "Bad Gateway", Detail: "the response is not from Hookferry; check the service's URL, and proxies in between"},
			"the service responded with 502 Bad Gateway: the response is not from Hookferry; check the service's URL, and proxies in between",
		},
		{
			"a redirect is not followed", 301, "text/html", "",
			http.Header{"Location": {"https://elsewhere.example/"}},
			client.Problem{Status: 301, Title: "Moved Permanently", Detail: `it redirects to "https://elsewhere.example/", which is not followed; correct the service's URL`},
			`the service responded with 301 Moved Permanently: it redirects to "https://elsewhere.example/", which is not followed; correct the service's URL`,
		},
		{
			"a problem that is not JSON is no problem of ours", 500, problem, `{"detail":`, nil,
			client.Problem{Status: 500, Title: "Internal Server Error", Detail: "the response is not from Hookferry; check the service's URL, and proxies in between"},
			"the service responded with 500 Internal Server Error: the response is not from Hookferry; check the service's URL, and proxies in between",
		},
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			for name, values := range test.header {
				w.Header()[name] = values
			}
			w.Header().Set("Content-Type", test.contentType)
			w.WriteHeader(test.status)
			io.WriteString(w, test.body)
		})
		_, err := c.Subscription(t.Context(), "s")
		got, ok := errors.AsType[*client.Problem](err)
		if !ok {
			t.Errorf("%s: the error is %v", test.reason, err)
			continue
		}
		if fmt.Sprint(*got) != fmt.Sprint(test.want) {
			t.Errorf("%s: got\n%+v\nwant\n%+v", test.reason, *got, test.want)
		}
		if got.Error() != test.words {
			t.Errorf("%s: says\n%s\nwant\n%s", test.reason, got, test.words)
		}
	}
}

func TestRetryAfterAsADate(t *testing.T) {
	at := time.Now().Add(time.Hour)
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", at.UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	})
	_, err := c.Health(t.Context())
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok || problem.RetryAfter <= 0 || problem.RetryAfter > time.Hour {
		t.Fatalf("got %v with %v to wait, want about an hour", err, problem)
	}
}

func TestInvalidResponses(t *testing.T) {
	for body, reason := range map[string]string{
		"<html>":                    "a web page with 200: the URL is another service's",
		`{"id": 7}`:                 "an id that is a number",
		strings.Repeat(" ", 33<<20): "an endless response",
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
		_, err := c.Subscription(t.Context(), "s")
		if err == nil {
			t.Errorf("%s: no error", reason)
		} else if len(err.Error()) > 400 {
			t.Errorf("%s: the error repeats it: %.100s…", reason, err)
		}
	}
}

func TestHealthDownIsNotAnError(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"status":"down","components":{"database":{"status":"down","error":"no response within 5s"}}}`)
	})
	h, err := c.Health(t.Context())
	if err != nil || h.Status != "down" || h.Components["database"].Error != "no response within 5s" {
		t.Fatalf("got %+v and %v", h, err)
	}
}

// pages responds with a list of n items, two per page.
func pages(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		first := 0
		fmt.Sscan(r.URL.Query().Get("cursor"), &first)
		var data []map[string]string
		for i := first; i < min(first+2, n); i++ {
			data = append(data, map[string]string{"id": fmt.Sprint(i), "delivery_id": fmt.Sprint(i)})
		}
		answer := map[string]any{"data": data, "next": nil}
		if first+2 < n {
			answer["next"] = fmt.Sprint(first + 2)
		}
		json.NewEncoder(w).Encode(answer)
	}
}

func TestListsGoThroughAllPages(t *testing.T) {
	for n := range 6 {
		c := serve(t, pages(n))
		var subscriptions, attempts []string
		for s, err := range c.ListSubscriptions(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			subscriptions = append(subscriptions, s.ID)
		}
		for a, err := range c.Attempts(t.Context(), "s") {
			if err != nil {
				t.Fatal(err)
			}
			attempts = append(attempts, a.DeliveryID)
		}
		want := []string{"0", "1", "2", "3", "4"}[:n]
		if !slices.Equal(subscriptions, want) || !slices.Equal(attempts, want) {
			t.Errorf("with %d items: subscriptions %v, attempts %v", n, subscriptions, attempts)
		}
	}
}

func TestListsEnd(t *testing.T) {
	requests := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		pages(5)(w, r)
	})
	for range c.ListSubscriptions(t.Context()) {
		break
	}
	if requests != 1 {
		t.Errorf("%d requests were made for the first item", requests)
	}

	broken := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"data":[{}],"next":"again"}`) })
	var last error
	n := 0
	for _, last = range broken.ListSubscriptions(t.Context()) {
		n++
	}
	if last == nil || n > 3 {
		t.Errorf("a list that leads to itself gave %d items and ended with %v", n, last)
	}
}

// A subscription that was read can be changed and sent back without changing anything else.
func TestInputKeepsWhatWasSet(t *testing.T) {
	read := client.Subscription{
		ID: "s", TargetURL: "https://a.example", Description: "d", EventTypes: []string{"user.*"}, RequireSignature: true, HasSecret: true,
		Headers: map[string]string{"X-Token": "[hidden]"}, TimeoutSeconds: 5, RetryScheduleSeconds: []float64{}, MaxInFlight: 3, RatePerSecond: 7,
	}
	got, err := json.Marshal(read.Input())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"target_url":"https://a.example","description":"d","event_types":["user.*"],"is_active":false,"require_signature":true,"headers":{"X-Token":"[hidden]"},"timeout_seconds":5,"retry_schedule_seconds":[],"max_in_flight":3,"rate_per_second":7}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
