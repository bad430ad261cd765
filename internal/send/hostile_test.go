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

// What one attempt to a hostile endpoint may cost. The limits are generous: an attempt that read
// or kept data without end would exceed them at once.
const (
	hostileTimeout = 300 * time.Millisecond // for the kinds that only a timeout ends
	patientTimeout = 5 * time.Second        // for the others, so that a busy machine does not end them early
	mostDuration   = 10 * time.Second       // on an idle machine, twice the timeout would be enough
	mostWritten    = 24 << 20               // bytes that an endpoint can write: what the systems on both sides buffer
	mostAllocated  = 8 << 20                // bytes in all, freed or not, including those of the endpoint
)

// verdict is how an attempt to a kind of endpoint must end. ADDR in words is its address.
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
	{"slow-headers", "", "", "", "the status has decided, and slow bytes do not extend the attempt"},
	{"slow-body", "", "", "aa", "the status has decided"},
	{"endless-headers", "", "", "", "the status decides; the header has a limit"},
	{"endless-line", "", "", "", "one line of the header has the same limit"},
	{"endless-body", "", "", strings.Repeat("a", event.ExcerptLimit), "the status decides; the excerpt is truncated"},
	{"endless-chunks", "", "", strings.Repeat("abcd", event.ExcerptLimit/4), "the same with chunks"},
	{"gzip-bomb", "", "", "\x1f\x8b", "nothing is unpacked"},
	{"flood-100", event.CodeBadResponse, floods, "", "interim responses do not decide, and share the limit of the header"},
	{"flood-103", event.CodeBadResponse, floods, "", "any interim response"},

	{"reset-accept", event.CodeConnectionReset, "ADDR reset the connection before it responded", "", "a reset differs from a closed connection"},
	{"reset-header", event.CodeConnectionReset, "ADDR reset the connection before it responded", "", "a reset differs from a closed connection"},
	{"reset-request", event.CodeConnectionReset, "ADDR reset the connection before it responded", "", "a reset differs from a closed connection"},
	{"reset-answer", "", "", "", "the status decides"},
	{"reset-body", "", "", "half", "the status decides"},
	{"hang-up", event.CodeConnectionClosed, "ADDR closed the connection before it responded", "", "closed without a response"},
	{"half-close", event.CodeConnectionClosed, "ADDR closed the connection before it responded", "", "no more data can arrive, so the attempt ends"},
	{"half-answer", "", "", "", "the status decides"},

	{"length-long", "", "", "half", "the status decides"},
	{"length-short", "", "", "ok", "data after the response is not part of it"},
	{"length-negative", "", "", "", "the status decides; the end of the response is unknown"},
	{"length-twice", "", "", "ab", "the status decides; the end of the response is unknown"},

	{"redirect-loopback", event.CodeRedirect, "redirect to http://127.0.0.1:1/admin?… not followed", "", "redirects are not followed, and the query is not repeated"},
	{"redirect-metadata", event.CodeRedirect, "redirect to http://169.254.169.254/latest/meta-data/ not followed", "", "redirects are not followed"},

	{"early-answer", "", "", "ok", "the response arrived after the attempt had the connection"},
	{"early-answer", event.CodeBadResponse, "responded before the request was sent", "", "the response arrived before the attempt had the connection"},
	{"early-body", "", "", "ok", "an endpoint need not read the body that it accepts"},
	{"garbage", event.CodeBadResponse, notHTTP, "", "the data is not quoted"},
	{"control-header", "", "", "ok", "the header field is ignored, and the status decides"},
	{"status-000", event.CodeBadResponse, "the response has a status code below 100, which HTTP does not define", "", "no status below 100 is defined"},
	{"status-999", event.CodeStatus, "responded with 999", "", "an unknown status is not a success"},
	{"status-101", event.CodeStatus, "responded with 101 Switching Protocols", "", "the request did not ask for it, and nothing after it is read"},

	{"h2-frames", event.CodeBadResponse, onlyHTTP2, "", "the first frame shows an HTTP/2 server"},
	{"h2-only", event.CodeBadResponse, onlyHTTP2, "", "over TLS as well"},
	{"tls-silent", event.CodeTimeout, "no TLS handshake with ADDR within 300ms; " + hintHello, "", "the timeout includes the handshake"},
	{"tls-reset", event.CodeConnectionReset, "ADDR reset the connection during the TLS handshake", "", "a reset differs from a closed connection"},
	{"tls-plain", event.CodeTLS, "responded with plain HTTP to an https request; should the target URL begin with http://?", "", "probably a wrong port"},
	{"tls-old", event.CodeTLS, "ADDR ended TLS: protocol version not supported; the endpoint must support TLS 1.2 or later", "", "TLS 1.2 at least"},
	{"tls-expired", event.CodeTLSExpired, "the certificate expired on 2020-01-02", "", "the date is checked before the signature"},
	{"tls-not-yet-valid", event.CodeTLSExpired, "the certificate is not valid before 2098-01-02", "", "either way"},
	{"tls-self-signed", event.CodeTLSUntrusted, "the certificate is not trusted: it is self-signed; if that is your own, add it to HOOKFERRY_TARGET_CA", "", "no authority has signed it"},
	{"tls-wrong-host", event.CodeTLSWrongHost, "the certificate is for another.example, not for 127.0.0.1", "", "it belongs to another host"},
}

func timeoutFor(kind string) time.Duration {
	if slices.Contains([]string{"silent", "tarpit", "slow-headers", "slow-body", "tls-silent"}, kind) {
		return hostileTimeout
	}
	return patientTimeout
}

// TestHostileReceivers is not parallel, because it measures allocations and remaining goroutines.
func TestHostileReceivers(t *testing.T) {
	log.SetOutput(io.Discard) // as in the command: net/http logs unexpected data there
	defer log.SetOutput(os.Stderr)
	for _, k := range hostile.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			bad, healthy := serve(t, k), receive(t, respond(okResponse))
			defer healthy.close()
			defer bad.Close()
			s := New(Options{Guard: allowLoopback(), Timeout: timeoutFor(k.Name)})
			defer s.Close()
			if k.Name == "h2-only" { // its certificate is not the fault
				s.tls.RootCAs = x509.NewCertPool()
				s.tls.RootCAs.AddCert(bad.Certificate())
			}

			const attempts = 2 // the second finds what the first has left behind
			for range attempts {
				attack(t, s, bad, k.Name)
			}
			if n := bad.Count(); n.Accepted != attempts || n.Wrote > attempts*mostWritten {
				t.Errorf("%d attempts made %d connections, on which %d bytes were written", attempts, n.Accepted, n.Wrote)
			}
			if o := s.Send(t.Context(), subscription(healthy.url()), event.Claimed{Event: someEvent()}); !o.Success() {
				t.Errorf("after that, an attempt to a healthy endpoint fails: %s", o.Error)
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
		t.Errorf("got %s %q with the body %.20q, which no row expects", cmp.Or(o.Code, "success"), o.Error, o.Response)
	}
}

func (v verdict) matches(o event.Outcome, addr string) bool {
	body := string(o.Response)
	return o.Code == v.code && o.Error == strings.ReplaceAll(v.words, "ADDR", addr) &&
		strings.HasPrefix(body, v.response) && (body == "") == (v.response == "")
}

// hasLetGo waits until the endpoint has no open connection. An endpoint that never reads can't
// know; there, leaked goroutines would show an open connection.
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
