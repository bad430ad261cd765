package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/client"
)

// From an empty service to a tenant with a subscription, an event type and events.
func TestPublishOnce(t *testing.T) {
	url, _ := service(t)
	t.Setenv("HOOKFERRY_URL", url)
	t.Setenv("HOOKFERRY_TOKEN", "")
	endpoint := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer endpoint.Close()
	schema := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(schema, []byte(`{"type": "object", "required": ["id"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const anyID = `[0-9a-f-]{36}`
	const anyTime = `\d{4}-\d\d-\d\dT\S+Z`
	for _, test := range []struct {
		reason string
		in     string
		args   []string
		code   int
		out    string // patterns
		errOut string
	}{
		{"a tenant is created", "", []string{"tenants", "put", "acme", "--name", "Acme Ltd."}, 0, `tenant acme, "Acme Ltd."\n`, ``},
		{"without a flag nothing changes", "", []string{"tenants", "put", "acme"}, 0, `tenant acme, "Acme Ltd."\n`, ``},
		{"a tenant needs no name", "", []string{"tenants", "put", "other"}, 0, `tenant other\n`, ``},
		{"tenants are found", "", []string{"tenants", "--search", "ACM"}, 0, `ID +NAME +EVENTS/S +PENDING +SUBSCRIPTIONS +CREATED\nacme +Acme Ltd\. +- +- +- +` + anyTime + `\n`, ``},
		{"as JSON", "", []string{"tenants", "--search", "acme", "--json"}, 0, `\{"id":"acme","name":"Acme Ltd\.",.*\}\n`, ``},
		{"an invalid tenant", "", []string{"tenants", "put", "a b"}, 1, ``, `hookferry: the service responded with 422 .*\n`},
		{
			"a subscription is created", "",
			[]string{"subscribe", endpoint.URL, "--tenant", "acme", "--uid", "billing", "--name", "Billing", "--event-type", "invoice.*", "--event-type", "user.created"},
			0, `subscribed: ` + anyID + `, of the tenant acme\n`, ``,
		},
		{"its uid is taken", "", []string{"subscribe", endpoint.URL, "--tenant", "acme", "--uid", "billing"}, 1, ``, `hookferry: the service responded with 409 .*\n`},
		{"a secret is shown once", "", []string{"subscribe", endpoint.URL, "--generate-secret"}, 0, `subscribed: ` + anyID + `, of the tenant default\nsecret: whsec_\S{44}\n`, "The secret is not shown again.\n"},
		{"and in JSON", "", []string{"subscribe", endpoint.URL, "--generate-secret", "--json"}, 0, `\{"id":"` + anyID + `",.*"secret":"whsec_.*\}\n`, ``},
		{"an invalid URL", "", []string{"subscribe", "example.com"}, 1, ``, `hookferry: the service responded with 422 .*target_url: .*\n`},
		{
			"the subscriptions of a tenant", "",
			[]string{"subscriptions", "--tenant", "acme", "--event-type", "invoice.paid", "--state", "healthy", "--sort", "name", "--search", "bill"},
			0, `ID +TENANT +STATE +UID +NAME +EVENT TYPES +URL\n` + anyID + ` +acme +healthy +billing +Billing +invoice\.\*,user\.created +` + endpoint.URL + `\n`, ``,
		},
		{"as JSON", "", []string{"subscriptions", "--tenant", "acme", "--json"}, 0, `\{"id":"` + anyID + `","tenant":"acme",.*\}\n`, ``},
		{"none of them", "", []string{"subscriptions", "--state", "paused"}, 0, `ID +TENANT .*\n`, ``},
		{"an invalid state", "", []string{"subscriptions", "--state", "broken"}, 1, `(ID .*\n)?`, `hookferry: the service responded with 4.*state.*\n`},
		{"an event type is registered", "", []string{"event-types", "put", "invoice.paid", "--schema", schema, "--description", "Paid."}, 0, `event type invoice\.paid\n`, ``},
		{"what no flag names stays", "", []string{"event-types", "put", "invoice.paid", "--json"}, 0, `\{"name":"invoice\.paid","description":"Paid\.","schema":\{"type":"object","required":\["id"\]\},.*\}\n`, ``},
		{"a schema that is not JSON", "{", []string{"event-types", "put", "x", "--schema", "-"}, 1, ``, `hookferry: the schema is not JSON: it ends too early\n(.*\n)+`},
		{"event types are listed", "", []string{"event-types"}, 0, `NAME +SCHEMA +DESCRIPTION +UPDATED +ARCHIVED\ninvoice\.paid +yes +Paid\. +` + anyTime + ` +-\n`, ``},
		{"an event is published", "", []string{"publish", "invoice.paid", `{"id": 1}`, "--tenant", "acme"}, 0, `published: event ` + anyID + ` to the tenant acme, 1 delivery\n`, ``},
		{"from standard input, as JSON", `{"id": 1}`, []string{"publish", "invoice.paid", "--tenant", "acme", "--json", "--idempotency-key", "k"}, 0, `\{"event_id":"` + anyID + `","tenant":"acme","deliveries":1,"refused":0,"duplicate":false\}\n`, ``},
		{"again", `{"id": 1}`, []string{"publish", "invoice.paid", "-", "--tenant", "acme", "--idempotency-key", "k"}, 0, `published: .*, 1 delivery; it was published before, with the same idempotency key\n`, ``},
		{"no subscription wants it", "", []string{"publish", "order.paid", "1", "--tenant", "acme"}, 0, `published: .*, no deliveries: no subscription wants it \(--match says why\)\n`, ``},
		{"why", "", []string{"publish", "order.paid", "1", "--tenant", "acme", "--match"}, 0, `SUBSCRIPTION +GETS IT +RULE +REASON\n` + anyID + ` +no +event_types +\S.*\n`, ``},
		{"who gets it", "", []string{"publish", "user.created", "1", "--tenant", "acme", "--match"}, 0, `SUBSCRIPTION .*\n` + anyID + ` +yes +- +-\n`, ``},
		{"data that the schema refuses", "", []string{"publish", "invoice.paid", "{}", "--tenant", "acme"}, 1, ``, `hookferry: the service responded with 422 .*\n`},
		{"an unknown tenant", "", []string{"publish", "a", "1", "--tenant", "nobody"}, 1, ``, `hookferry: the service responded with 404 .*"nobody".*\n`},
		{"later, once, with a channel", "", []string{"publish", "user.created", "1", "--tenant", "acme", "--channel", "x", "--no-retry", "--deliver-at", time.Now().Add(time.Hour).Format(time.RFC3339)}, 0, `published: .*, 1 delivery\n`, ``},
		{"an event type is archived", "", []string{"event-types", "archive", "invoice.paid"}, 0, `archived invoice\.paid\n`, ``},
		{"its schema no longer applies", "", []string{"publish", "invoice.paid", "{}", "--tenant", "acme"}, 0, `published: .*\n`, ``},
		{"as JSON", "", []string{"event-types", "archive", "invoice.paid", "--json"}, 0, `\{"archived":"invoice\.paid"\}\n`, ``},
		{"an unknown event type", "", []string{"event-types", "archive", "no.such"}, 1, ``, `hookferry: the service responded with 404 .*\n`},
		{"a tenant is deleted", "", []string{"tenants", "delete", "acme"}, 0, `deleted acme\n`, ``},
		{"it is gone", "", []string{"tenants", "delete", "acme"}, 1, ``, `hookferry: the service responded with 404 .*\n`},
	} {
		code, out, errOut := run(t, strings.NewReader(test.in), test.args...)
		if code != test.code || !matches(test.out, out) || !matches(test.errOut, errOut) {
			t.Errorf("%s: exit status %d\n%s%s\nwant %d\n%s%s", test.reason, code, out, errOut, test.code, test.out, test.errOut)
		}
	}
}

func TestPublishFile(t *testing.T) {
	url, c := service(t)
	t.Setenv("HOOKFERRY_URL", url)
	subscribe(t, c, client.SubscriptionInput{TargetURL: "http://127.0.0.1:9/"})
	const lines = `{"event": "a", "data": {"n": 1}, "tenant": "default", "idempotency_key": "k1", "channels": ["x"], "metadata": {"m": "v"}, "retry": false}

{"event": "a"}
not JSON
[1]
null
{"event": "a", "data": 1, "colour": 2}
{"event": 7, "data": 1}
{"event": "a", "data": 1, "deliver_at": "tomorrow"}
{"event": "a..b", "data": 1}
  {"data": null, "event": "b", "tenant": null, "retry": null}  
{"event": "a", "data": 1, "tenant": "nobody"}`
	code, out, errOut := run(t, strings.NewReader(lines), "publish", "--file", "-")
	const wantErr = `line 3: data is missing
line 4: the line is not JSON: .*
(.*\n)+line 5: must be a JSON object like \{"event": "user.created", "data": {}\}
line 6: must be a JSON object .*
line 7: there is no field "colour"; an event has event, data, .*
line 8: event must be a string
line 9: deliver_at must be a time with its zone, like .*
line 10: event: .*
line 12: .*"nobody".*
`
	if code != 1 || out != "2 events published, 2 deliveries; 9 failed\n" || !matches(wantErr, errOut) {
		t.Errorf("exit status %d\n%s%s", code, out, errOut)
	}

	file := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(file, []byte(strings.Repeat(`{"event":"a","data":1}`+"\n", 2500)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut = run(t, nil, "publish", "--file", file, "--json")
	if n := strings.Count(out, `"deliveries":1,`); code != 0 || n != 2500 || !strings.HasPrefix(out, `{"line":1,"event_id":"`) || !strings.Contains(out, `{"line":2500,`) || errOut != "" {
		t.Errorf("exit status %d, %d of 2500 results\n%s", code, n, errOut)
	}
}

func TestPublishArguments(t *testing.T) {
	for _, test := range []struct {
		reason string
		args   []string
		want   string
	}{
		{"nothing", nil, "takes EVENT_TYPE [DATA] or --file FILE, not 0 arguments"},
		{"too much", []string{"a", "1", "2"}, "not 3 arguments"},
		{"a type and a file", []string{"a", "--file", "x"}, `takes no arguments with --file, but got "a"`},
		{"a tenant of a file", []string{"--file", "x", "--tenant", "acme"}, "--tenant has no effect with --file"},
		{"a match of a file", []string{"--file", "x", "--match"}, "--match has no effect with --file"},
		{"data that is not JSON", []string{"a", "{"}, "DATA is not JSON"},
	} {
		if code, _, errOut := run(t, nil, append([]string{"publish", "--url", "http://127.0.0.1:1"}, test.args...)...); code != 2 || !strings.Contains(errOut, test.want) {
			t.Errorf("%s: exit status %d: %s", test.reason, code, errOut)
		}
	}
}

// takes serves the responses one after another, and then the last one. It counts the events of each batch.
func takes(t *testing.T, sent *[]int, responses ...string) *client.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var batch struct{ Events []json.RawMessage }
		if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
			t.Error(err)
		}
		*sent = append(*sent, len(batch.Events))
		if len(responses) > 0 {
			io.WriteString(w, responses[0])
			if len(responses) > 1 {
				responses = responses[1:]
			}
		}
	}))
	t.Cleanup(s.Close)
	c, err := client.New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Only events that were certainly not stored are sent again, and not for ever.
func TestPublishFileSendsAgain(t *testing.T) {
	const stored, notTaken = `{"event_id":"e","tenant":"t","deliveries":1}`, `{"status":503,"code":"not_taken","detail":"Publish it again."}`
	const uncertain = `{"status":503,"code":"unavailable","detail":"The database can't be used."}`
	one := `{"event":"a","data":1}` + "\n"
	for _, test := range []struct {
		reason            string
		responses         []string
		sent              string // the sizes of the batches
		published, failed int
	}{
		{"the rest of a batch", []string{`{"results":[` + stored + `,` + notTaken + `]}`, `{"results":[` + stored + `]}`}, "[2 1]", 2, 0},
		{"what may have been stored is not sent again", []string{`{"results":[` + stored + `,` + uncertain + `]}`}, "[2]", 1, 1},
	} {
		var sent []int
		p := newFilePublisher(streams{out: io.Discard, err: io.Discard}, takes(t, &sent, test.responses...), false)
		p.pause = func(context.Context, time.Duration) error { return nil }
		if err := p.run(t.Context(), strings.NewReader(one+one)); err != nil || fmt.Sprint(sent) != test.sent || p.published != test.published || p.failed != test.failed {
			t.Errorf("%s: sent %v, %d published, %d failed, %v", test.reason, sent, p.published, p.failed, err)
		}
	}

	refusals := 0
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if refusals++; refusals > 2 {
			io.WriteString(w, `{"results":[`+stored+`]}`)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"code":"overloaded","detail":"Try again."}`)
	}))
	defer busy.Close()
	c, err := client.New(busy.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := newFilePublisher(streams{out: io.Discard, err: io.Discard}, c, false)
	p.pause = func(context.Context, time.Duration) error { return nil }
	if err := p.run(t.Context(), strings.NewReader(one)); err != nil || p.published != 1 || refusals != 3 {
		t.Errorf("a service that is overloaded at first: %d requests, %d published, %v", refusals, p.published, err)
	}

	var sent []int
	p = newFilePublisher(streams{out: io.Discard, err: io.Discard}, takes(t, &sent, `{"results":[`+notTaken+`]}`), false)
	pauses := 0
	p.pause = func(context.Context, time.Duration) error { pauses++; return nil }
	if err := p.run(t.Context(), strings.NewReader(one)); err != nil || p.failed != 1 || pauses != maxRounds {
		t.Errorf("an event that is never taken: %d pauses, %d failed, %v", pauses, p.failed, err)
	}
	p.pause = func(context.Context, time.Duration) error { return context.Canceled }
	err = p.run(t.Context(), strings.NewReader("\n"+one))
	if err == nil || !strings.Contains(p.located(err).Error(), "the lines 2 to 2") {
		t.Errorf("stopped: %v", err)
	}
}

// A line that never ends does not fill the memory.
func TestPublishFileRefusesEndlessLines(t *testing.T) {
	var sent []int
	p := newFilePublisher(streams{out: io.Discard, err: io.Discard}, takes(t, &sent, `{"results":[{}]}`), false)
	err := p.run(t.Context(), io.MultiReader(strings.NewReader(`{"event":"a","data":1}`+"\n"), endless{}))
	if err == nil || !strings.Contains(err.Error(), "after line 1 is longer than") || p.published != 1 {
		t.Errorf("%d published, %v", p.published, err)
	}
}
