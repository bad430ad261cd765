package receive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/webhook"
)

// published is data whose bytes change if an endpoint parses and re-encodes it before it verifies
// them: it has spaces, a long number, an escape and text outside ASCII.
const published = `{ "name" : "Zoë \u4e2d 漢字",  "id":12345678901234567890 }`

// TestPrograms lets the service deliver to each program, and sends the program variations of a
// delivery that another endpoint has recorded.
func TestPrograms(t *testing.T) {
	secret := webhook.NewSecret()
	s := startService(t)
	recorded := s.record(secret)
	for _, p := range programs {
		t.Run(p.file, func(t *testing.T) {
			t.Parallel()
			command := p.prepare(t)
			refuse(t, command, "whsec_") // anyone could sign with an empty key
			url := serve(t, command, secret)
			for _, body := range []string{client.BodyEnvelope, client.BodyData} {
				if got := s.deliver(t, client.SubscriptionInput{TargetURL: url, Secret: secret, Body: body}); !got.Success || got.StatusCode != http.StatusNoContent {
					t.Errorf("with the body %s the attempt ended as %+v, want status 204", body, got)
				}
			}
			breakOff(t, url)
			for _, v := range variations {
				v.try(t, url, recorded, secret)
			}
		})
	}
}

// service is the real service, on SQLite.
type service struct {
	t      *testing.T
	client *client.Client
}

func startService(t *testing.T) *service {
	t.Helper()
	cfg, err := config.Load([]string{"HOOKFERRY_ADMIN_ADDR=off", "LOG_LEVEL=ERROR"}, "", config.Overrides{Addr: "127.0.0.1:0", Data: t.TempDir(), Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), cfg, "test", app.NewLogger(os.Stderr, cfg))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New("http://" + a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(t.Context()) }()
	t.Cleanup(func() { // after the test's context has ended
		c.CloseIdleConnections()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
	})
	return &service{t: t, client: c}
}

// deliver publishes an event to a new subscription, and returns the attempt.
func (s *service) deliver(t *testing.T, to client.SubscriptionInput) client.Attempt {
	t.Helper()
	subscription, err := s.client.CreateSubscription(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := s.client.PublishTo(t.Context(), subscription.ID, client.Event{Type: "user.created", Data: json.RawMessage(published)})
	if err != nil {
		t.Fatal(err)
	}
	var d client.Delivery
	await.NoError(t, func() (err error) {
		d, err = s.client.Delivery(t.Context(), receipt.DeliveryID)
		if err == nil && len(d.Attempts) == 0 {
			err = fmt.Errorf("no attempt has ended yet: %+v", d)
		}
		return err
	})
	return d.Attempts[0]
}

// request is a request that an endpoint got.
type request struct {
	header http.Header
	body   []byte
}

// record returns the request of a delivery that is signed with the secret.
func (s *service) record(secret string) request {
	s.t.Helper()
	requests := make(chan request, 1)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, got *http.Request) {
		body, err := io.ReadAll(got.Body)
		if err != nil {
			s.t.Error(err)
		}
		requests <- request{got.Header, body}
	}))
	defer endpoint.Close()
	s.deliver(s.t, client.SubscriptionInput{TargetURL: endpoint.URL, Secret: secret})
	r := <-requests
	if !bytes.Contains(r.body, []byte(published)) || r.header.Get(webhook.HeaderSignature) == "" {
		s.t.Fatalf("the endpoint got %v with %q", r.header, r.body)
	}
	return r
}

// clone returns a copy that may be changed.
func (r request) clone() request { return request{r.header.Clone(), bytes.Clone(r.body)} }

// sign replaces the signature by one with these secrets, newest first.
func (r request) sign(t *testing.T, at time.Time, secrets ...string) {
	t.Helper()
	signer, err := webhook.NewSigner(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.SignHeader(r.header, r.header.Get(webhook.HeaderID), at, r.body); err != nil {
		t.Fatal(err)
	}
}

// age moves the time of the signature back, and changes nothing else.
func (r request) age(by time.Duration) {
	r.header.Set(webhook.HeaderTimestamp, strconv.FormatInt(time.Now().Add(-by).Unix(), 10))
}
