package demo

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/test/await"
)

// quick is a pace for tests: only an endpoint that hangs by design reaches its timeout.
func quick(events int) pace {
	return pace{
		events: events, spread: time.Millisecond, slow: 2 * time.Millisecond, patience: 200 * time.Millisecond, timeout: 20 * time.Second,
		retries: []time.Duration{time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond},
		most:    time.Minute, look: 5 * time.Millisecond,
	}
}

// quickDemo returns a demo that writes to w, with its files in a directory of the test.
func quickDemo(t *testing.T, w *await.Output, events int) (d *demo, dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("TMPDIR", dir)
	return newDemo(Options{Release: "0.1.0", Out: w, Start: startApp}, quick(events)), dir
}

// startApp starts the real service.
func startApp(ctx context.Context, settings []string, dir string, log io.Writer) (Service, error) {
	cfg, err := config.Load(settings, "", config.Overrides{Addr: "127.0.0.1:0", Data: dir, Dev: true})
	if err != nil {
		return nil, err
	}
	a, err := app.New(ctx, cfg, "test", app.NewLogger(log, cfg))
	if err != nil {
		return nil, err
	}
	return a, nil
}

// The whole demo with the real service.
func TestDemo(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	out := &await.Output{}
	d, dir := quickDemo(t, out, 40)
	if err := d.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const want = `Hookferry 0.1.0: the real service, on a temporary database in DIR
It accepts 40 events over its HTTP API and delivers them to 7 endpoints on this machine.

  shop       responds at once
  crm        responds at once
  billing    takes 2ms to respond
  warehouse  sends 503 twice, then 200
  analytics  hangs: never responds
  old-site   redirects
  partner    is gone: sends 410


What happened
  shop       11 events, all delivered on the first attempt
  crm        10 events, all delivered on the first attempt
  billing    6 events, all delivered on the first attempt
  warehouse  6 events, all delivered on attempt 3; earlier attempts failed: responded with 503 Service Unavailable
  analytics  4 events, all failed after 3 attempts: no response within 200ms
  old-site   2 events, all failed after 2 attempts: redirect to http://127.0.0.1:PORT/elsewhere not followed
             The redirect was not followed.
  partner    1 event, failed at once: responded with 410 Gone
             Its subscription was disabled, and the next event for it refused (409).

A subscription with the target http://169.254.169.254/latest/meta-data/ was refused:
  169.254.169.254 is blocked: it is a link-local address, which clouds use for metadata (RFC 3927)

Latency, POST → disk → endpoint, if it responds at once: p50 TIME   p95 TIME   p99 TIME

The tally
  40 accepted = 33 delivered + 7 failed + 0 pending + 0 cancelled
  ✓ it adds up: the API reports the same statuses as the database, for every event
  ✓ nothing is lost: all 33 delivered events arrived at their endpoints unchanged, byte for byte
  ✓ N requests arrived, each with a valid signature
  ✓ nothing arrived twice

`
	if got := stable(out.String(), dir); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	isEmpty(t, dir)
}

// stable removes what differs between runs from an output.
func stable(out, dir string) string {
	for _, r := range []struct{ pattern, with string }{
		{regexp.QuoteMeta(dir) + `/hookferry-demo-\d+`, "DIR"},
		{`127\.0\.0\.1:\d+`, "127.0.0.1:PORT"},
		{`\b[\d.]+ m?s\b`, "TIME"},
		{`(?m)^ +TIME .*\n`, ""},                                // lines of progress
		{`(?m)^ +It did not delay the other endpoints\.\n`, ""}, // said where the machine was fast enough
		{`\d+ requests arrived`, "N requests arrived"},
	} {
		out = regexp.MustCompile(r.pattern).ReplaceAllString(out, r.with)
	}
	return out
}

func isEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind in %s: %v (%v)", dir, left, err)
	}
}

// The commands that --keep prints work, and the webhooks that then arrive are shown.
func TestDemoKeeps(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &await.Output{}
	d, dir := quickDemo(t, out, 20)
	d.Keep = true
	target := regexp.MustCompile(`curl -X POST "([^"]+)"`)
	out.Until, out.Then = "/subscriptions/\"\n", func(text string) {
		out.Until, out.Then = "signature verified, response 200", func(string) { cancel() }
		go http.Post(target.FindStringSubmatch(text)[1], "application/json", strings.NewReader(`{"event": "order.created", "data": {"id": 123}}`))
	}
	if err := d.run(ctx); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"/docs\n", "/health\n", "/metrics\n", "/hookferry.db\n", "shop  order.created  attempt 1", "Stopped. All files are removed."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	isEmpty(t, dir)
}

func TestDemoIsInterrupted(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancel(t.Context())
	out := &await.Output{Until: "partner", Then: func(string) { cancel() }}
	d, dir := quickDemo(t, out, 20)
	d.pace.spread = time.Hour
	if err := d.run(ctx); !errors.Is(err, ErrSaid) {
		t.Errorf("got %v, want a failure that was said", err)
	}
	if !strings.Contains(out.String(), "Stopped before the end.") {
		t.Errorf("got\n%s", out)
	}
	isEmpty(t, dir)
}

// A demo that fails says where to look, and keeps its files there.
func TestDemoFails(t *testing.T) {
	d, dir := quickDemo(t, &await.Output{}, 20)
	d.pace.timeout = time.Hour // more than a service accepts
	err := d.run(t.Context())
	if err == nil || errors.Is(err, ErrSaid) || !strings.Contains(err.Error(), "WEBHOOK_TIMEOUT") {
		t.Fatalf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 || !strings.Contains(err.Error(), left[0].Name()) {
		t.Errorf("the error %q names none of %v", err, left)
	}
}

// If the result is not the expected one, the exit status says so.
func TestDemoDoesNotAddUp(t *testing.T) {
	out := &await.Output{}
	d, dir := quickDemo(t, out, 20)
	d.endpoints[1].respond = func(*http.Request, int) reply { return reply{status: http.StatusTeapot} }
	if err := d.run(t.Context()); !errors.Is(err, ErrSaid) {
		t.Errorf("got %v, want a failure that was said", err)
	}
	for _, want := range []string{"✗ 5 events failed at crm, but expected to be delivered, for example delivery ", "responded with 418", "are in " + dir} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out.String(), "it adds up") {
		t.Errorf("it says that it adds up\n%s", out)
	}
}
