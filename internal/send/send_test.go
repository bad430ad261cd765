package send

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/webhook"
)

const okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// record keeps the bytes of each request, and responds with 200.
func record(t *testing.T, payload int) (*receiver, <-chan string) {
	wire := make(chan string, 100)
	r := receive(t, func(c net.Conn) {
		var got []byte
		one := make([]byte, 1)
		for !bytes.HasSuffix(got, []byte("\r\n\r\n")) {
			if _, err := c.Read(one); err != nil {
				return
			}
			got = append(got, one[0])
		}
		body := make([]byte, payload)
		io.ReadFull(c, body)
		wire <- string(got) + string(body)
		io.WriteString(c, okResponse)
	})
	return r, wire
}

// The bytes of a request are a promise to endpoints. They are in testdata/request.golden, in which
// ADDR stands for the receiver's address.
func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	const oldSecret = "an older secret, as plain text"
	key := []byte("0123456789abcdef0123456789abcdef")
	newSecret := "whsec_" + base64.StdEncoding.EncodeToString(key)
	payload := "{\"z\": 1.10, \"a\":\t\"\\u0000 <&> \u00e9\", \"n\":12345678901234567890}\n"
	id, err := event.ParseID("01942f5e-6d00-7abc-8def-0123456789ab")
	if err != nil {
		t.Fatal(err)
	}

	r, wire := record(t, len(payload))
	s := newSender(t)
	s.now = func() time.Time { return time.Unix(1_767_323_045, 999_999_999) }
	sub := subscription("http://" + r.addr + "/hooks/a%2Fb?x=1&y=%20")
	sub.Secrets = []event.Secret{event.Secret(newSecret), oldSecret}
	sub.Headers = map[string]string{"authorization": "Bearer abc", "X-Tenant": "acme", "SOAPAction": `"urn:x"`, "X-API-KEY": "k"} // go out as typed
	ev := event.Event{ID: id, ContentType: "application/json; charset=utf-8", Payload: []byte(payload)}
	o := s.Send(t.Context(), sub, event.Claimed{Event: ev})
	if !o.Success() || o.StatusCode != 200 || string(o.Response) != "ok" || o.Peer != r.addr {
		t.Fatalf("got %+v", o)
	}

	got := strings.ReplaceAll(<-wire, r.addr, "ADDR")
	want, err := os.ReadFile("testdata/request.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("on the wire:\n%q\nwant:\n%q", got, want)
	}

	// The signatures of the golden file were computed by other code.
	signed := id.String() + ".1767323045." + payload
	for _, part := range []string{
		"webhook-signature: v1," + b64(mac(key, signed)) + " v1," + b64(mac([]byte(oldSecret), signed)) + "\r\n",
		"X-Hub-Signature-256: sha256=" + hex.EncodeToString(mac([]byte(newSecret), payload)) + "\r\n",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q", part)
		}
	}
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func TestPayloadIsSentByteForByte(t *testing.T) {
	t.Parallel()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	payloads := map[string][]byte{
		"empty": nil, "one byte": {0}, "every byte": every,
		"more than any buffer": bytes.Repeat(every, 8192),
	}
	verifier, err := webhook.NewVerifier([]string{"my_secret_key"}, webhook.StandardOnly())
	if err != nil {
		t.Fatal(err)
	}
	s := newSender(t)
	for name, payload := range payloads {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if !bytes.Equal(body, payload) || r.ContentLength != int64(len(payload)) {
				t.Errorf("%s: %d bytes arrived, declared as %d", name, len(body), r.ContentLength)
			}
			if err := verifier.Verify(r.Header, body); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}))
		sub := subscription(server.URL)
		sub.Secrets = []event.Secret{"my_secret_key"}
		ev := someEvent()
		ev.Payload = payload
		if o := s.Send(t.Context(), sub, event.Claimed{Event: ev}); !o.Success() {
			t.Errorf("%s: %s", name, o.Error)
		}
		server.Close()
	}
}

func TestWithoutASecretNothingIsSigned(t *testing.T) {
	t.Parallel()
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer server.Close()
	ev := someEvent()
	s := newSender(t)
	o := s.Send(t.Context(), subscription(server.URL), event.Claimed{Event: ev})
	if !o.Success() {
		t.Fatal(o.Error)
	}
	for name := range got {
		if strings.Contains(name, "Signature") {
			t.Errorf("%s was sent", name)
		}
	}
	if got.Get("Webhook-Id") != ev.ID.String() || got.Get("Webhook-Timestamp") == "" {
		t.Errorf("webhook-id %q, webhook-timestamp %q", got.Get("Webhook-Id"), got.Get("Webhook-Timestamp"))
	}
	if got.Get("Content-Type") != "application/json" || got.Get("User-Agent") != "Hookferry/test" {
		t.Errorf("content type %q, user agent %q", got.Get("Content-Type"), got.Get("User-Agent"))
	}
	if _, sent := got["Idempotency-Key"]; sent {
		t.Error("an Idempotency-Key was sent")
	}
}

// Header names are sent as they were typed. Reserved ones are dropped in any letter case:
// subscriptions with them are refused.
func TestHeadersOfTheSubscription(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason, name, value string
		want                string // the line; "" for one that is left out
	}{
		{"as Go would write it", "X-Key", "1", "X-Key: 1"},
		{"in lower case", "x-key", "1", "x-key: 1"},
		{"in capitals", "X-API-KEY", "1", "X-API-KEY: 1"},
		{"in mixed case", "SOAPAction", `"urn:x"`, `SOAPAction: "urn:x"`},
		{"camel case", "apiKey", "1", "apiKey: 1"},
		{"with every mark", "a!#$%&'*+-.^_`|~9Z", "1", "a!#$%&'*+-.^_`|~9Z: 1"},
		{"theirs, not ours", "Idempotency-Key", "theirs", "Idempotency-Key: theirs"},
		{"its own Accept, instead of ours", "Accept", "application/xml", "Accept: application/xml"},
		{"in capitals, too", "ACCEPT", "application/xml", "ACCEPT: application/xml"},
		{"an empty Accept", "accept", "", "accept: "},
		{"User-Agent", "user-agent", "theirs", ""},
		{"Content-Type", "CONTENT-TYPE", "theirs", ""},
		{"Content-Length", "content-length", "0", ""},
		{"Transfer-Encoding", "transfer-encoding", "chunked", ""},
		{"Host", "hOST", "theirs", ""},
		{"the connection", "connection", "close", ""},
		{"the id", "webhook-id", "theirs", ""},
		{"the time, as Go would write it", "Webhook-Timestamp", "theirs", ""},
		{"the signature in capitals", "WEBHOOK-SIGNATURE", "theirs", ""},
		{"the signature in the style of GitHub", "x-hub-signature-256", "theirs", ""},
	}
	for _, tt := range tests {
		r, wire := record(t, len(someEvent().Payload))
		sub := subscription("http://" + r.addr + "/")
		sub.Headers = map[string]string{tt.name: tt.value}
		sub.Secrets = []event.Secret{"my_secret_key"}
		if o := newSender(t).Send(t.Context(), sub, event.Claimed{Event: someEvent()}); !o.Success() {
			t.Fatal(o.Error)
		}
		lines := strings.Split(<-wire, "\r\n")
		var names []string
		for _, line := range lines[1:slices.Index(lines, "")] {
			name, _, _ := strings.Cut(line, ":")
			names = append(names, strings.ToLower(name))
		}
		slices.Sort(names)
		if len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("%s: a header was sent twice: %q", tt.reason, lines)
		}
		if tt.want != "" && !slices.Contains(lines, tt.want) || tt.want == "" && slices.Contains(lines, tt.name+": "+tt.value) {
			t.Errorf("%s: got %q, want %q", tt.reason, lines, tt.want)
		}
		if accepts := slices.Contains(lines, "Accept: */*"); accepts == strings.EqualFold(tt.name, "Accept") {
			t.Errorf("%s: our Accept was sent: %v", tt.reason, accepts)
		}
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status     int
		retryAfter string
		code       event.Code
		words      string
		wait       time.Duration
	}{
		{200, "", "", "", 0},
		{201, "", "", "", 0},
		{204, "", "", "", 0},
		{299, "", "", "", 0},
		{200, "60", "", "", 0}, // Retry-After has no meaning on success
		{300, "", event.CodeRedirect, "responded with 300 Multiple Choices; redirects are not followed", 0},
		{304, "", event.CodeRedirect, "responded with 304 Not Modified; redirects are not followed", 0},
		{400, "", event.CodeStatus, "responded with 400 Bad Request", 0},
		{404, "60", event.CodeStatus, "responded with 404 Not Found", 0},
		{410, "", event.CodeGone, "responded with 410 Gone", 0},
		{429, "60", event.CodeStatus, "responded with 429 Too Many Requests", time.Minute},
		{429, "soon", event.CodeStatus, "responded with 429 Too Many Requests", 0},
		{500, "60", event.CodeStatus, "responded with 500 Internal Server Error", 0},
		{429, "0", event.CodeStatus, "responded with 429 Too Many Requests", time.Second},
		{502, "7", event.CodeStatus, "responded with 502 Bad Gateway", 7 * time.Second},
		{504, "7", event.CodeStatus, "responded with 504 Gateway Timeout", 7 * time.Second},
		{503, "9999999999", event.CodeStatus, "responded with 503 Service Unavailable", event.MaxRetryAfter},
		{599, "", event.CodeStatus, "responded with 599", 0},
		{999, "", event.CodeStatus, "responded with 999", 0},
	}
	s := newSender(t)
	for _, tt := range tests {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if tt.retryAfter != "" {
				w.Header().Set("Retry-After", tt.retryAfter)
			}
			w.WriteHeader(tt.status)
		}))
		o := s.Send(t.Context(), subscription(server.URL), event.Claimed{Event: someEvent()})
		if o.StatusCode != tt.status || o.Code != tt.code || o.Error != tt.words || o.RetryAfter != tt.wait {
			t.Errorf("%d: got %d, %q, %q, %v", tt.status, o.StatusCode, o.Code, o.Error, o.RetryAfter)
		}
		server.Close()
	}
}

func TestExcerpt(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	for _, size := range []int{0, 1, event.ExcerptLimit - 1, event.ExcerptLimit, event.ExcerptLimit + 1, maxBody} {
		body := strings.Repeat("a", size)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }))
		o := s.Send(t.Context(), subscription(server.URL), event.Claimed{Event: someEvent()})
		if want := body[:min(size, event.ExcerptLimit)]; string(o.Response) != want || !o.Success() {
			t.Errorf("%d bytes: %d were kept, %s", size, len(o.Response), o.Error)
		}
		server.Close()
	}
}

func TestTargetsThatCannotBeCalled(t *testing.T) {
	t.Parallel()
	const target = "http://127.0.0.1:1/"
	tests := []struct {
		sub   event.Subscription
		ev    event.Event
		words string
	}{
		{event.Subscription{TargetURL: "ftp://a.example/"}, someEvent(), "the target URL must begin with https:// or http://"},
		{event.Subscription{TargetURL: "http://a.example:99999/"}, someEvent(), "the target URL has the port 99999"},
		{event.Subscription{TargetURL: "http://u:confidential@a.example/"}, someEvent(), "the target URL must not contain a user name"},
		{event.Subscription{TargetURL: target, Headers: map[string]string{"X-A": "a\r\nconfidential: b"}}, someEvent(), "the subscription's header X-A contains characters that can't be sent"},
		{event.Subscription{TargetURL: target, Headers: map[string]string{"X A\n": "b"}}, someEvent(), `the subscription's header X A\n contains characters`},
		{event.Subscription{TargetURL: target, Headers: map[string]string{"": "b"}}, someEvent(), "the subscription's header  contains characters"},
		{event.Subscription{TargetURL: target, Secrets: []event.Secret{"whsec_confidential!"}}, someEvent(), "the subscription's secrets can't be used to sign: webhook: bad secret: secret 1 of 1"},
		{event.Subscription{TargetURL: target}, event.Event{ContentType: "a/b\r\nX: y"}, `the event's content type a/b\r\nX: y can't be sent as a header`},
	}
	s := newSender(t)
	for _, tt := range tests {
		o := s.Send(t.Context(), tt.sub, event.Claimed{Event: tt.ev})
		if o.Code != event.CodeBadTarget || !strings.HasPrefix(o.Error, tt.words) {
			t.Errorf("got %s: %q, want %q", o.Code, o.Error, tt.words)
		}
		if strings.Contains(o.Error, "confidential") || o.StartedAt.IsZero() {
			t.Errorf("%q, started at %v", o.Error, o.StartedAt)
		}
	}
}

func TestTheProcessStops(t *testing.T) {
	t.Parallel()
	came := make(chan struct{})
	r := receive(t, func(c net.Conn) {
		request(c)
		close(came)
		io.Copy(io.Discard, c)
	})
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-came
		stop()
	}()
	o := newSender(t).Send(ctx, subscription(r.url()), event.Claimed{Event: someEvent()})
	if o.Code != event.CodeNetwork || o.Error != "the attempt was aborted because the service stopped" {
		t.Errorf("got %s: %q", o.Code, o.Error)
	}
}

func TestOptionsHaveDefaults(t *testing.T) {
	t.Parallel()
	s := New(Options{Timeout: -1})
	if s.timeout != DefaultTimeout || s.targets.userAgent != "Hookferry" {
		t.Errorf("timeout %v, user agent %q", s.timeout, s.targets.userAgent)
	}
	if o := s.Send(t.Context(), subscription("http://127.0.0.1:1/"), event.Claimed{Event: someEvent()}); o.Code != event.CodeBlocked {
		t.Errorf("without a guard, loopback: %s: %q", o.Code, o.Error)
	}
}

// The data alone is sent and signed byte for byte, and headers contain what the body does not say.
// testdata/request-data.golden has the bytes.
func TestDataOnTheWire(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	const data = "{\"z\": 1.10,\t\"n\":12345678901234567890}"
	payload := "{\"event\": \"user.created\",\n \"data\" : " + data + " }"
	id, err := event.ParseID("01942f5e-6d00-7abc-8def-0123456789ab")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/request-data.golden")
	if err != nil {
		t.Fatal(err)
	}
	for reason, at := range map[string][2]int{
		"where it lies is known":                          {strings.Index(payload, data), len(data)},
		"where it lies is not known, as of release 0.1.0": {0, 0},
		"it can't lie where it is said to":                {len(payload) - 3, len(data)},
	} {
		r, wire := record(t, len(data))
		s := newSender(t)
		s.now = func() time.Time { return time.Unix(1_767_323_045, 0) }
		sub := subscription("http://" + r.addr + "/hook")
		sub.Secrets, sub.Body = []event.Secret{secret}, event.BodyData
		ev := event.Event{ID: id, Type: "user.created", ContentType: "application/json", Payload: []byte(payload), DataAt: at[0], DataLen: at[1]}
		if o := s.Send(t.Context(), sub, event.Claimed{Delivery: event.Delivery{Attempts: 2}, Event: ev}); !o.Success() {
			t.Fatalf("%s: %+v", reason, o)
		}
		if got := strings.ReplaceAll(<-wire, r.addr, "ADDR"); got != string(want) {
			t.Errorf("%s: on the wire:\n%q\nwant:\n%q", reason, got, want)
		}
	}
	h := hmac.New(sha256.New, []byte("0123456789abcdef0123456789abcdef"))
	h.Write([]byte(id.String() + ".1767323045." + data))
	if signature := "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil)); !strings.Contains(string(want), signature) {
		t.Errorf("the golden file does not contain the signature %s of the data", signature)
	}
}

// An event without data, which ingest never stores, fails its delivery with a message.
func TestAnEventWithoutData(t *testing.T) {
	sub := subscription("http://127.0.0.1:1/")
	sub.Body = event.BodyData
	for _, payload := range []string{``, `{}`, `{"event":"a"}`, `[]`, `{"data"`, `{"event":{"data":1}}`} {
		o := newSender(t).Send(t.Context(), sub, event.Claimed{Event: event.Event{ID: event.NewID(time.Now()), Payload: []byte(payload)}})
		if o.Code != event.CodeBadTarget || !strings.Contains(o.Error, "has no data") || !o.Final() {
			t.Errorf("%q: %+v", payload, o)
		}
	}
}
