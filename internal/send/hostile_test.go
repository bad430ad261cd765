package send

import (
	"cmp"
	"crypto/x509"
	"io"
	"log"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/hostile"
)

// What one attempt with a hostile receiver may cost. The limits are generous: an attempt that read
// or kept data without end would exceed them at once.
const (
	hostileTimeout = 300 * time.Millisecond // for the kinds that only a time-out ends
	patientTimeout = 5 * time.Second        // for the others, which a busy machine must not cut short
	mostDuration   = 10 * time.Second       // twice the time-out would do on a machine with nothing else to do
	mostWritten    = 24 << 20               // bytes that a receiver can get rid of: what the systems on both sides buffer
	mostAllocated  = 8 << 20                // bytes in all, freed again or not, the receiver's own included
)

// verdict is how an attempt with a kind of receiver must end. ADDR in words is the receiver's
// address.
type verdict struct {
	kind     string
	code     event.Code
	words    string
	response string // how the body begins, "" for none
	reason   string
}

const (
	floods    = "interim (1xx) responses are longer than 64 KiB"
	notHTTP   = "the response is not HTTP/1.1"
	onlyHTTP2 = "responded with HTTP/2; webhooks are sent over HTTP/1.1, so the endpoint must support it too"
)

var verdicts = []verdict{
	{"silent", event.CodeTimeout, "no response within 300ms", "", "the timeout covers the whole exchange"},
	{"tarpit", event.CodeTimeout, "no response within 300ms", "", "writing the request is part of it"},
	{"slow-headers", "", "", "", "the status has said that the webhook was taken, and a byte now and then wins no time"},
	{"slow-body", "", "", "aa", "the status has said that the webhook was taken"},
	{"endless-headers", "", "", "", "the status counts; a header is bounded"},
	{"endless-line", "", "", "", "and so is one line of it"},
	{"endless-body", "", "", strings.Repeat("a", event.ExcerptLimit), "the status counts; the body is cut"},
	{"endless-chunks", "", "", strings.Repeat("abcd", event.ExcerptLimit/4), "also where it comes in chunks"},
	{"gzip-bomb", "", "", "\x1f\x8b", "nothing is unpacked"},
	{"flood-100", event.CodeBadResponse, floods, "", "interim responses are no status, and share the header's bound"},
	{"flood-103", event.CodeBadResponse, floods, "", "all of them"},

	{"reset-accept", event.CodeConnectionReset, "ADDR reset the connection before it responded", "", "a reset is told from an end"},
	{"reset-header", event.CodeConnectionReset, "ADDR reset the connection before it responded", "", "a reset is told from an end"},
	{"reset-request", event.CodeConnectionReset, "ADDR reset the connection before it responded", "", "a reset is told from an end"},
	{"reset-answer", "", "", "", "the status counts"},
	{"reset-body", "", "", "half", "the status counts"},
	{"hang-up", event.CodeConnectionClosed, "ADDR closed the connection before it responded", "", "an end without an answer"},
	{"half-close", event.CodeConnectionClosed, "ADDR closed the connection before it responded", "", "nothing can come any more, so there is nothing to wait for"},
	{"half-answer", "", "", "", "the status counts"},

	{"length-long", "", "", "half", "the status counts"},
	{"length-short", "", "", "ok", "what lies behind the end is nobody's answer"},
	{"length-negative", "", "", "", "the status counts; where the response ends is not known"},
	{"length-twice", "", "", "ab", "the status counts; where the response ends is not known"},

	{"redirect-loopback", event.CodeRedirect, "redirect to http://127.0.0.1:1/admin?… not followed", "", "no redirect is followed, and its query is not repeated"},
	{"redirect-metadata", event.CodeRedirect, "redirect to http://169.254.169.254/latest/meta-data/ not followed", "", "no redirect is followed"},

	{"early-answer", "", "", "ok", "it came after the connection was the attempt's"},
	{"early-answer", event.CodeBadResponse, "responded before the request was sent", "", "it came before"},
	{"early-body", "", "", "ok", "a receiver need not read what it takes"},
	{"garbage", event.CodeBadResponse, notHTTP, "", "what came is not repeated"},
	{"control-header", "", "", "ok", "no field holds them, and the status counts"},
	{"status-000", event.CodeBadResponse, "the response has a status code below 100, which HTTP does not define", "", "below 100 nothing is defined"},
	{"status-999", event.CodeStatus, "responded with 999", "", "a status without a meaning is no success"},
	{"status-101", event.CodeStatus, "responded with 101 Switching Protocols", "", "nobody asked for it, and nothing of what follows is read"},

	{"h2-frames", event.CodeBadResponse, onlyHTTP2, "", "a server that expects HTTP/2 at once is known by its first frame"},
	{"h2-only", event.CodeBadResponse, onlyHTTP2, "", "over TLS as well"},
	{"tls-silent", event.CodeTimeout, "no TLS handshake with ADDR within 300ms; " + hintHello, "", "the timeout covers it, too"},
	{"tls-reset", event.CodeConnectionReset, "ADDR reset the connection during the TLS handshake", "", "a reset is told from an end"},
	{"tls-plain", event.CodeTLS, "responded with plain HTTP to an https request; should the target URL begin with http://?", "", "a port mistaken"},
	{"tls-old", event.CodeTLS, "ADDR ended TLS: protocol version not supported; the endpoint must support TLS 1.2 or later", "", "TLS 1.2 at least"},
	{"tls-expired", event.CodeTLSExpired, "the certificate expired on 2020-01-02", "", "the date is looked at before the signature"},
	{"tls-not-yet-valid", event.CodeTLSExpired, "the certificate is not valid before 2098-01-02", "", "either way"},
	{"tls-self-signed", event.CodeTLSUntrusted, "the certificate is not trusted: it is self-signed; if that is your own, add it to HOOKFERRY_TARGET_CA", "", "no authority vouches for it"},
	{"tls-wrong-host", event.CodeTLSWrongHost, "the certificate is for another.example, not for 127.0.0.1", "", "it belongs to somebody else"},
}

func timeoutFor(kind string) time.Duration {
	if slices.Contains([]string{"silent", "tarpit", "slow-headers", "slow-body", "tls-silent"}, kind) {
		return hostileTimeout
	}
	return patientTimeout
}

// TestHostileReceivers is not parallel, because it measures allocations and remaining goroutines.
func TestHostileReceivers(t *testing.T) {
	log.SetOutput(io.Discard) // as in the command: net/http reports there what comes unasked
	defer log.SetOutput(os.Stderr)
	for _, k := range hostile.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			bad, healthy := serve(t, k), receive(t, respond(okResponse))
			defer healthy.close()
			defer bad.Close()
			s := New(Options{Guard: allowLoopback(), Timeout: timeoutFor(k.Name)})
			defer s.Close()
			if k.Name == "h2-only" { // its certificate is not what is wrong with it
				s.tls.RootCAs = x509.NewCertPool()
				s.tls.RootCAs.AddCert(bad.Certificate())
			}

			const attempts = 2 // the second finds whatever the first has left
			for range attempts {
				attack(t, s, bad, k.Name)
			}
			if n := bad.Count(); n.Accepted != attempts || n.Wrote > attempts*mostWritten {
				t.Errorf("%d attempts made %d connections, on which %d bytes were written", attempts, n.Accepted, n.Wrote)
			}
			if o := s.Send(t.Context(), subscription(healthy.url()), event.Claimed{Event: someEvent()}); !o.Success() {
				t.Errorf("afterwards a healthy endpoint has: %s", o.Error)
			}
			hasLetGo(t, bad, k.Name)
		})
	}
}

func serve(t *testing.T, k hostile.Kind) *hostile.Server {
	t.Helper()
	s, err := hostile.Listen(k, hostile.Options{Pace: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// attack makes one attempt and checks it.
func attack(t *testing.T, s *Sender, bad *hostile.Server, kind string) {
	t.Helper()
	sub := subscription(bad.URL())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()})
	runtime.ReadMemStats(&after)

	if o.Duration > mostDuration {
		t.Errorf("the attempt took %v", o.Duration)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > mostAllocated {
		t.Errorf("%d bytes were allocated", n)
	}
	if len(o.Response) > event.ExcerptLimit {
		t.Errorf("%d bytes of the body are kept", len(o.Response))
	}
	if o.Peer != bad.Addr() {
		t.Errorf("peer %q, want %q", o.Peer, bad.Addr())
	}
	if !slices.ContainsFunc(verdicts, func(v verdict) bool { return v.kind == kind && v.matches(o, bad.Addr()) }) {
		t.Errorf("got %s %q with a body of %.20q, which none of its rows expects", cmp.Or(o.Code, "success"), o.Error, o.Response)
	}
}

func (v verdict) matches(o event.Outcome, addr string) bool {
	body := string(o.Response)
	return o.Code == v.code && o.Error == strings.ReplaceAll(v.words, "ADDR", addr) &&
		strings.HasPrefix(body, v.response) && (body == "") == (v.response == "")
}

// hasLetGo waits until the receiver has no connection of ours. A receiver that never reads can't
// tell; for it, the goroutines of a connection would remain.
func hasLetGo(t *testing.T, bad *hostile.Server, kind string) {
	t.Helper()
	if kind == "tarpit" || kind == "early-body" {
		return
	}
	for deadline := time.Now().Add(30 * time.Second); bad.Count().Open > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are still open", bad.Count().Open)
		}
	}
}

// Each kind must have a row, and each row a kind.
func TestEveryKindHasAVerdict(t *testing.T) {
	t.Parallel()
	var kinds, rows []string
	for _, k := range hostile.Kinds() {
		kinds = append(kinds, k.Name)
	}
	for _, v := range verdicts {
		rows = append(rows, v.kind)
	}
	slices.Sort(kinds)
	slices.Sort(rows)
	if rows = slices.Compact(rows); !slices.Equal(kinds, rows) {
		t.Errorf("kinds %v\nrows  %v", kinds, rows)
	}
}
