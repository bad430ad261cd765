package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
)

// Each value must come back with an error of at most 1.6 %, or percentiles are wrong.
func TestHistogramKnowsEachValue(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		v := random.Uint64() >> (1 + random.UintN(63))
		got := valueOf(slotOf(v))
		if diff := max(got, v) - min(got, v); diff > v/fine {
			t.Fatalf("%d is read as %d", v, got)
		}
	}
}

func TestHistogramPercentiles(t *testing.T) {
	var h histogram
	var all []time.Duration
	random := rand.New(rand.NewPCG(3, 4))
	for range 10_001 {
		d := time.Duration(random.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		h.add(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
		want, got := all[int(q*float64(len(all)))], h.at(q)
		if diff := (want - got).Abs(); diff > want/20 {
			t.Errorf("the percentile %v is %v, but %v is reported", q, want, got)
		}
	}
	if h.at(1) != all[len(all)-1] {
		t.Errorf("the maximum is %v, but %v is reported", all[len(all)-1], h.at(1))
	}
}

func TestBodyIsReadAsItWasNumbered(t *testing.T) {
	for _, size := range []int{minSize, 1024, 100_000} {
		run, at := newRun(), time.Now()
		body := newBody(run, size)
		if len(body) != size {
			t.Errorf("a body of %d bytes has %d", size, len(body))
		}
		number(body, 123, at)
		gotRun, n, posted, ok := readHead(body)
		if !ok || gotRun != run || n != 123 || !posted.Equal(at) {
			t.Errorf("read as run %d, event %d, %v, %v", gotRun, n, posted, ok)
		}
		body[nOffset] = 'x'
		if _, _, _, ok := readHead(body); ok {
			t.Error("a body with a letter instead of a digit was read")
		}
	}
}

// rig is a receiver in a phase, and a publisher to a handler that stands in for the service.
func rig(t *testing.T, load Load, serve http.HandlerFunc) (*ledger, *receiver, publisher) {
	t.Helper()
	r, err := newReceiver(t.Context(), "127.0.0.1:0", load)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	l := newLedger(load, newRun())
	r.ledger.Store(l)
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	return l, r, newPublisher(strings.TrimPrefix(server.URL, "http://"), []string{"/x"}, "", load.Size)
}

// Events that are lost, sent twice or refused must be in the report.
func TestLossesAndDuplicatesAreCounted(t *testing.T) {
	load := Load{Connections: 3, Size: 256, Subscriptions: 1, Rate: 1000, Duration: 200 * time.Millisecond}
	var r *receiver
	var n, dropped, doubled, refused atomic.Int64
	l, createdPaths, d := rig(t, load, func(w http.ResponseWriter, req *http.Request) {
		times := 1
		switch n.Add(1) % 10 {
		case 1:
			times = 0
			dropped.Add(1)
		case 2:
			times = 2
			doubled.Add(1)
		case 3:
			refused.Add(1)
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		for range times {
			forward(http.DefaultClient, r.url(load, 0), body)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	r = createdPaths
	if err := d.post(t.Context(), l, load.Duration); err != nil {
		t.Fatal(err)
	}
	f := l.figures()
	if f.Lost == 0 || int64(f.Lost) != dropped.Load() || int64(f.Duplicates) != doubled.Load() || int64(f.Refused["429"]) != refused.Load() {
		t.Errorf("lost %d, duplicates %d, refused %v; they were %d, %d and %d", f.Lost, f.Duplicates, f.Refused, dropped.Load(), doubled.Load(), refused.Load())
	}
	if f.Delivered != f.Accepted-f.Lost {
		t.Errorf("%d delivered of %d accepted, and %d lost", f.Delivered, f.Accepted, f.Lost)
	}
}

// A service that stalls once gets less load in the meantime. Events that were due in that time must
// count with their wait.
func TestStallCountsForAllThatWaited(t *testing.T) {
	const stall = 300 * time.Millisecond
	load := Load{Connections: 1, Size: 256, Subscriptions: 1, Rate: 100, Duration: 500 * time.Millisecond}
	var first atomic.Bool
	l, _, d := rig(t, load, func(w http.ResponseWriter, _ *http.Request) {
		if !first.Swap(true) {
			time.Sleep(stall)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	if err := d.post(t.Context(), l, load.Duration); err != nil {
		t.Fatal(err)
	}
	late := 0
	for i := range l.accept.counts {
		if time.Duration(valueOf(i)) > stall/3 {
			late += int(l.accept.counts[i].Load())
		}
	}
	if late < 15 { // 20 were due in the first 200 ms of the stall
		t.Errorf("%d events waited longer than %v; at 100/s it must be about 20", late, stall/3)
	}
}

// The whole bench with the real service. Only history remains afterwards.
func TestRunAgainstTheService(t *testing.T) {
	cfg, err := config.Load([]string{"HOOKFERRY_ADMIN_ADDR=off", "LOG_LEVEL=ERROR"}, "", config.Overrides{Addr: "127.0.0.1:0", Data: t.TempDir(), Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	a, err := app.New(ctx, cfg, "test", app.NewLogger(t.Output(), cfg))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	defer func() { stop(); <-ended }()

	url := "http://" + a.Addr()
	report, err := Run(t.Context(), Options{
		URL: url, Listen: "127.0.0.1:0", Runs: 2, Dir: t.TempDir(), Say: func(string) {},
		Load: Load{Connections: 4, Size: 512, Subscriptions: 5, Slow: 1, SlowFor: time.Millisecond, Failing: 1, Hanging: 1, Rate: 500, Warmup: 50 * time.Millisecond, Duration: 200 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := report.Contestants[0].Median()
	if f.Accepted < 100 || f.Lost != 0 || f.Duplicates != 0 || f.Broken != 0 || len(f.Refused) != 0 {
		t.Errorf("%+v", f)
	}
	if want := f.Accepted * 3 / 5; f.Delivered < want-10 || f.Delivered > want+10 {
		t.Errorf("%d delivered; about %d of %d accepted were for endpoints that accept", f.Delivered, want, f.Accepted)
	}
	if f.Requests <= f.Delivered || f.Arrival.Max == 0 {
		t.Errorf("%+v", f)
	}
	c, err := client.New(url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	for s := range c.ListSubscriptions(t.Context()) {
		t.Errorf("the subscription %s was not deleted", s.TargetURL)
	}
	var text strings.Builder
	report.Print(&text)
	if !strings.Contains(text.String(), "delivered per second") {
		t.Error(text.String())
	}
}

func TestCheckNamesTheFlag(t *testing.T) {
	good := Load{Connections: 1, Size: 1024, Subscriptions: 2, Duration: time.Second}
	for flag, change := range map[string]func(*Load){
		"--connections":   func(l *Load) { l.Connections = 0 },
		"--rate":          func(l *Load) { l.Rate = -1 },
		"--size":          func(l *Load) { l.Size = 1 },
		"--subscriptions": func(l *Load) { l.Subscriptions = 0 },
		"--hanging":       func(l *Load) { l.Hanging = 2 },
		"--slow-for":      func(l *Load) { l.SlowFor = -1 },
		"--duration":      func(l *Load) { l.Duration = 0 },
		"--queries":       func(l *Load) { l.Queries = -1 },
	} {
		bad := good
		change(&bad)
		if err := bad.Check(); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	overTLS := good
	overTLS.HTTPS = true
	for flag, o := range map[string]Options{
		"--runs":                      {Load: good},
		"--url":                       {Load: good, Runs: 1, URL: "https://127.0.0.1:8000"},
		"--https":                     {Load: overTLS, Runs: 1, URL: "http://127.0.0.1:8000"},
		"--relay":                     {Load: overTLS, Runs: 1, Relay: true},
		"--workers":                   {Load: good, Runs: 1, URL: "http://127.0.0.1:8000", Workers: 1},
		"--backlog":                   {Load: good, Runs: 1, Fill: Fill{Backlog: -1}},
		"--retained-subscriptions":    {Load: good, Runs: 1, Fill: Fill{Retained: 1}},
		"--retained-subscriptions is": {Load: good, Runs: 1, Fill: Fill{Subscriptions: -1}},
	} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	if err := (Options{Load: good, Runs: 1, URL: "http://127.0.0.1:8000/"}).Check(); err != nil {
		t.Error(err)
	}
}

// Endpoints that use TLS and close connections are called and counted like others.
func TestEndpointsOverTLSThatClose(t *testing.T) {
	load := Load{Connections: 1, Size: 256, Subscriptions: 2, Failing: 1, HTTPS: true, Close: true}
	r, err := newReceiver(t.Context(), "127.0.0.1:0", load)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	l := newLedger(load, newRun())
	r.ledger.Store(l)
	setting, err := r.trust(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load([]string{setting}, "", config.Overrides{Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	roots, err := cfg.TargetCA.Pool()
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	body := newBody(l.run, load.Size)
	for i, status := range []int{500, 200} {
		number(body, uint64(i), time.Now())
		resp, err := client.Post(r.url(load, i), "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status || !resp.Close || resp.TLS == nil {
			t.Errorf("endpoint %d responds with %d, closing %v", i, resp.StatusCode, resp.Close)
		}
	}
	if l.requests.Load() != 2 {
		t.Errorf("%d requests were counted", l.requests.Load())
	}
}
