package event_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

const retention = 72 * time.Hour

// checked returns what is wrong with a valid subscription after the edit.
func checked(t *testing.T, edit func(*event.Subscription)) []event.FieldError {
	t.Helper()
	s := event.Subscription{TargetURL: "https://example.com/webhook", Active: true}
	edit(&s)
	err := s.Check(retention)
	if err == nil {
		return nil
	}
	var invalid *event.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Fields) == 0 {
		t.Fatalf("got the error %v, want an InvalidError that names fields", err)
	}
	for _, f := range invalid.Fields {
		if f.Field == "" || f.Message == "" || len(f.Field)+len(f.Message) > 500 {
			t.Errorf("the field %q has the message %q", f.Field, f.Message)
		}
	}
	return invalid.Fields
}

func TestCheckSubscription(t *testing.T) {
	many := func(n int) []string { return slices.Repeat([]string{"a"}, n) }
	tests := []struct {
		reason string
		edit   func(*event.Subscription)
		want   []string // the fields that are wrong; empty for none
	}{
		{"only a target", func(s *event.Subscription) {}, nil},
		{"no target", func(s *event.Subscription) { s.TargetURL = "" }, []string{"target_url"}},
		{"an invalid target", func(s *event.Subscription) { s.TargetURL = "file:///x" }, []string{"target_url"}},

		{"the longest description", func(s *event.Subscription) { s.Description = strings.Repeat("d", event.MaxDescription) }, nil},
		{"a longer one", func(s *event.Subscription) { s.Description = strings.Repeat("d", event.MaxDescription+1) }, []string{"description"}},
		{"a description in any language, with lines", func(s *event.Subscription) { s.Description = "Grüße, 東京 🚀\n\tzwei" }, nil},
		{"a description with a NUL byte, which some databases can't keep", func(s *event.Subscription) { s.Description = "a\x00b" }, []string{"description"}},
		{"a description that is not UTF-8, which some databases can't keep", func(s *event.Subscription) { s.Description = "a\xffb" }, []string{"description"}},

		{"as many event types as allowed", func(s *event.Subscription) { s.EventTypes = many(event.MaxEventTypes) }, nil},
		{"one more", func(s *event.Subscription) { s.EventTypes = many(event.MaxEventTypes + 1) }, []string{"event_types"}},
		{"each bad pattern is named", func(s *event.Subscription) { s.EventTypes = []string{"user.*", "", "*", "a b"} }, []string{"event_types[1]", "event_types[3]"}},

		{"a secret", func(s *event.Subscription) { s.Secrets = []event.Secret{"s"} }, nil},
		{"the longest secret", func(s *event.Subscription) {
			s.Secrets = []event.Secret{event.Secret(strings.Repeat("s", event.MaxSecretBytes))}
		}, nil},
		{"a longer one", func(s *event.Subscription) {
			s.Secrets = []event.Secret{event.Secret(strings.Repeat("s", event.MaxSecretBytes+1))}
		}, []string{"secret"}},
		{"an empty secret would sign with nothing", func(s *event.Subscription) { s.Secrets = []event.Secret{""} }, []string{"secret"}},
		{"an empty one among others", func(s *event.Subscription) { s.Secrets = []event.Secret{"s", ""} }, []string{"secret"}},
		{"signatures needed and a secret", func(s *event.Subscription) { s.RequireSignature, s.Secrets = true, []event.Secret{"s"} }, nil},
		{"signatures needed without a secret", func(s *event.Subscription) { s.RequireSignature = true }, []string{"require_signature"}},

		{"the longest timeout", func(s *event.Subscription) { s.Timeout = event.MaxTimeout }, nil},
		{"a longer one", func(s *event.Subscription) { s.Timeout = event.MaxTimeout + 1 }, []string{"timeout_seconds"}},
		{"a negative one", func(s *event.Subscription) { s.Timeout = -1 }, []string{"timeout_seconds"}},
		{"the most in flight", func(s *event.Subscription) { s.MaxInFlight = event.MaxInFlight }, nil},
		{"more", func(s *event.Subscription) { s.MaxInFlight = event.MaxInFlight + 1 }, []string{"max_in_flight"}},
		{"a negative number in flight", func(s *event.Subscription) { s.MaxInFlight = -1 }, []string{"max_in_flight"}},
		{"the highest rate", func(s *event.Subscription) { s.RatePerSecond = event.MaxRate }, nil},
		{"a very low rate", func(s *event.Subscription) { s.RatePerSecond = 0.001 }, nil},
		{"a higher one", func(s *event.Subscription) { s.RatePerSecond = event.MaxRate * 1.01 }, []string{"rate_per_second"}},
		{"a negative one", func(s *event.Subscription) { s.RatePerSecond = -0.1 }, []string{"rate_per_second"}},
		{"not a number", func(s *event.Subscription) { s.RatePerSecond = math.NaN() }, []string{"rate_per_second"}},
		{"an infinite one", func(s *event.Subscription) { s.RatePerSecond = math.Inf(1) }, []string{"rate_per_second"}},

		{"no retries", func(s *event.Subscription) { s.RetrySchedule = event.RetryPolicy{} }, nil},
		{"as many retries as allowed", func(s *event.Subscription) {
			s.RetrySchedule = slices.Repeat(event.RetryPolicy{time.Second}, event.MaxRetries)
		}, nil},
		{"one more", func(s *event.Subscription) {
			s.RetrySchedule = slices.Repeat(event.RetryPolicy{time.Second}, event.MaxRetries+1)
		}, []string{"retry_schedule_seconds"}},
		{"a delay of zero", func(s *event.Subscription) { s.RetrySchedule = event.RetryPolicy{time.Second, 0} }, []string{"retry_schedule_seconds[1]"}},
		{"a negative delay", func(s *event.Subscription) { s.RetrySchedule = event.RetryPolicy{-time.Second} }, []string{"retry_schedule_seconds[0]"}},
		{"a delay longer than the retention", func(s *event.Subscription) { s.RetrySchedule = event.RetryPolicy{retention + 1} }, []string{"retry_schedule_seconds[0]"}},
		{"delays that fill the retention, including jitter", func(s *event.Subscription) { s.RetrySchedule = event.RetryPolicy{65 * time.Hour} }, nil},
		{"delays that exceed it only with their jitter", func(s *event.Subscription) { s.RetrySchedule = event.RetryPolicy{66 * time.Hour} }, []string{"retry_schedule_seconds"}},
		{"delays that exceed it together", func(s *event.Subscription) { s.RetrySchedule = slices.Repeat(event.RetryPolicy{24 * time.Hour}, 3) }, []string{"retry_schedule_seconds"}},
		{"the longest Duration", func(s *event.Subscription) { s.RetrySchedule = event.RetryPolicy{math.MaxInt64} }, []string{"retry_schedule_seconds[0]"}},

		{"all invalid fields are named at once", func(s *event.Subscription) {
			*s = event.Subscription{
				Description: strings.Repeat("d", 2000), EventTypes: []string{"*.*"}, RequireSignature: true,
				Headers: map[string]string{"Host": "x"}, Settings: event.Settings{Timeout: -1, MaxInFlight: -1, RatePerSecond: -1, RetrySchedule: event.RetryPolicy{0}},
			}
		}, []string{
			"target_url", "description", "event_types[0]", "require_signature", "headers.Host",
			"timeout_seconds", "max_in_flight", "rate_per_second", "retry_schedule_seconds[0]",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			got := checked(t, tt.edit)
			fields := make([]string, len(got))
			for i, f := range got {
				fields[i] = f.Field
			}
			if !slices.Equal(fields, tt.want) {
				t.Errorf("wrong fields are %q (%v), want %q", fields, got, tt.want)
			}
		})
	}
}

func TestCheckHeaders(t *testing.T) {
	kelvin, dotted := "\u212a", "\u0130" // their lower-case forms are the ASCII letters k and i
	tests := []struct {
		reason, name, value string
		want                string // a part of the message; "" if the header is valid
	}{
		{"credentials", "Authorization", "Bearer abc", ""},
		{"a caller's own header", "X-Api-Key", "k", ""},
		{"every character a name may have", "a!#$%&'*+-.^_`|~9Z", "v", ""},
		{"an empty value", "X-Empty", "", ""},
		{"a tab within a value", "X-Tab", "a\tb", ""},
		{"every printable character in a value", "X-All", "!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~", ""},

		{"no name", "", "v", "not a header name"},
		{"a space in a name", "X Api", "v", "not a header name"},
		{"a colon in a name", "X-Api:", "v", "not a header name"},
		{"a pseudo header", ":authority", "v", "not a header name"},
		{"a newline in a name", "X-A\r\nX-Evil", "v", "not a header name"},
		{"a NUL byte in a name", "X-A\x00", "v", "not a header name"},
		{"a letter outside ASCII", "X-Ä", "v", "not a header name"},
		{"a letter that is ASCII only in lower case", "X-" + kelvin + "ey", "v", "not a header name"},
		{"another", dotted + "d", "v", "not a header name"},
		{"a reserved name with such a letter", kelvin + "eep-Alive", "v", "not a header name"},
		{"a name that is not UTF-8", "X-\xff", "v", "not a header name"},
		{"a very long name is not repeated whole", strings.Repeat("ä", 1000), "v", "not a header name"},

		{"a newline in a value", "X-A", "a\r\nX-Evil: 1", "control character"},
		{"a line feed in a value", "X-A", "a\nb", "control character"},
		{"a carriage return in a value", "X-A", "a\rb", "control character"},
		{"a NUL byte in a value", "X-A", "a\x00", "control character"},
		{"DEL in a value", "X-A", "a\x7f", "control character"},
		{"Latin-1 in a value", "X-A", "\xe4", "outside ASCII"},
		{"UTF-8 in a value", "X-A", "ä", "outside ASCII"},

		{"the host", "Host", "evil.example", "set by Hookferry"},
		{"the length", "Content-Length", "0", "set by Hookferry"},
		{"the content type", "Content-Type", "text/plain", "set by Hookferry"},
		{"the framing", "Transfer-Encoding", "chunked", "set by Hookferry"},
		{"the connection", "Connection", "close", "set by Hookferry"},
		{"keeping alive", "Keep-Alive", "timeout=1", "set by Hookferry"},
		{"TE", "TE", "trailers", "set by Hookferry"},
		{"trailers", "Trailer", "X-A", "set by Hookferry"},
		{"another protocol", "Upgrade", "h2c", "set by Hookferry"},
		{"the settings of another protocol", "HTTP2-Settings", "AAMAAABk", "set by Hookferry"},
		{"waiting for 100", "Expect", "100-continue", "set by Hookferry"},
		{"an encoding that would not be decoded", "Accept-Encoding", "gzip", "set by Hookferry"},
		{"the name of the service", "User-Agent", "x", "set by Hookferry"},
		{"in any case", "hOsT", "x", "set by Hookferry"},
		{"the id", "webhook-id", "x", "reserved"},
		{"the signature in any case", "Webhook-Signature", "v1,x", "reserved"},
		{"a future header of the standard", "webhook-future", "x", "reserved"},
		{"a signature like GitHub's", "X-Hub-Signature-256", "sha256=x", "reserved"},
		{"a proxy's", "Proxy-Authorization", "x", "reserved"},
		{"the connection to a proxy", "Proxy-Connection", "x", "reserved"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			got := checked(t, func(s *event.Subscription) { s.Headers = map[string]string{tt.name: tt.value} })
			switch {
			case len(got) > 1:
				t.Errorf("got %d messages: %v", len(got), got)
			case len(got) == 1:
				wantMessage(t, got[0].Message, cmp.Or(tt.want, "none"))
				if !strings.HasPrefix(got[0].Field, "headers.") {
					t.Errorf("the field is %q", got[0].Field)
				}
			case tt.want != "":
				t.Errorf("accepted %q: %q", tt.name, tt.value)
			default:
				wantSendable(t, tt.name, tt.value)
			}
		})
	}
}

// wantSendable sends a header that was accepted. If it could not be sent, every delivery would
// fail.
func wantSendable(t *testing.T, name, value string) {
	t.Helper()
	var got string
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get(name) }))
	defer receiver.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, receiver.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(name, value)
	resp, err := receiver.Client().Do(req)
	if err != nil {
		t.Fatalf("the header was accepted, but can't be sent: %v", err)
	}
	resp.Body.Close()
	if got != value {
		t.Errorf("the endpoint got %q, want %q", got, value)
	}
}

func TestCheckHeadersTogether(t *testing.T) {
	numbered := func(n int) map[string]string {
		h := make(map[string]string)
		for i := range n {
			h[fmt.Sprintf("X-%d", i)] = ""
		}
		return h
	}
	tests := []struct {
		reason  string
		headers map[string]string
		want    string
	}{
		{"none", nil, ""},
		{"as many as allowed", numbered(event.MaxHeaders), ""},
		{"one more", numbered(event.MaxHeaders + 1), "51 entries"},
		{"as long as allowed", map[string]string{"X-Long": strings.Repeat("v", event.MaxHeaderBytes-6)}, ""},
		{"one byte more", map[string]string{"X-Long": strings.Repeat("v", event.MaxHeaderBytes-5)}, "4097 bytes"},
		{"too long together", map[string]string{"X-A": strings.Repeat("v", 2050), "X-B": strings.Repeat("v", 2050)}, "4106 bytes"},
		{"the same name in different letter case", map[string]string{"X-Key": "a", "x-key": "b"}, "given twice"},
		{"the same name in two cases, neither of them lower", map[string]string{"X-Key": "a", "X-KEY": "b"}, "given twice"},
		{"and in a third", map[string]string{"X-Key": "a", "x-key": "b", "X-KEY": "c"}, "given twice"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			got := checked(t, func(s *event.Subscription) { s.Headers = tt.headers })
			if len(got) == 0 {
				wantMessage(t, "", tt.want)
			}
			for _, f := range got {
				wantMessage(t, f.Message, cmp.Or(tt.want, "none"))
			}
		})
	}
}

// The same mistake must give the same message every time.
func TestCheckIsRepeatable(t *testing.T) {
	s := event.Subscription{
		TargetURL: "https://example.com/",
		Headers:   map[string]string{"Host": "a", "host": "b", "X Y": "c", "Te": "d", "x-key": "e", "X-Key": "f"},
	}
	first := s.Check(retention).Error()
	for range 50 {
		s.Headers = maps.Clone(s.Headers)
		if again := s.Check(retention).Error(); again != first {
			t.Fatalf("first %q, then %q", first, again)
		}
	}
}
