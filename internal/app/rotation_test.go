package app_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/webhook"
)

// A master key is rotated by the command between two starts. A node with the wrong key sends
// nothing unsigned and says why. With the right key again, the pending deliveries are made.
func TestMasterKeysAreRotated(t *testing.T) {
	for database, settings := range map[string][]string{"SQLite": nil, "PostgreSQL": {"DATABASE_URL=" + postgresServer.Database(t, "")}} {
		t.Run(database, func(t *testing.T) { rotate(t, settings) })
	}
}

func rotate(t *testing.T, settings []string) {
	const secret = "the-subscription's-own-secret"
	a, b, c := masterKey('a'), masterKey('b'), masterKey('c')
	dir := t.TempDir()
	with := func(keys string) []string { return append([]string{"HOOKFERRY_MASTER_KEY=" + keys}, settings...) }
	r := receive(t, secret, nil)

	s := start(t, dir, with(a)...)
	plain := s.subscribe(map[string]any{"target_url": r.URL, "secret": secret, "headers": map[string]string{"Authorization": "Bearer x"}})
	strict := s.subscribe(map[string]any{"target_url": r.URL, "secret": secret, "require_signature": true})
	s.settled(s.publish(plain, created))
	s.stop()

	rotated := func(keys string) ([]string, error) { return app.RotateMaster(t.Context(), load(t, dir, with(keys)...)) }
	if said, err := rotated(b); err == nil || !strings.Contains(err.Error(), "the secrets of 2 subscription(s) are not encrypted with the first key") {
		t.Errorf("without the old key: %q, %v", said, err)
	}
	if said, err := rotated(b + "," + a); err != nil || !strings.Contains(said[0], "encrypted the secrets of 2 subscription(s)") {
		t.Errorf("%q, %v", said, err)
	}
	if said, err := rotated(b); err != nil || !strings.Contains(said[0], "encrypted the secrets of 0 subscription(s)") || !strings.Contains(said[0], "2 needed no change") {
		t.Errorf("again, without the old key: %q, %v", said, err)
	}

	s = start(t, dir, with(b)...)
	s.settled(s.publish(plain, created))
	s.stop()

	log := &journal{}
	s = launch(t, load(t, dir, with(c)...), log)
	waiting := s.publish(plain, created)
	await.NoError(t, func() error {
		if !strings.Contains(log.String(), "deliveries are held back") {
			return fmt.Errorf("the log does not say that deliveries are held back")
		}
		return nil
	})
	if d := s.want(http.StatusOK, "GET", "/status/delivery/"+waiting, nil); d["status"] != "pending" || len(d["attempts"].([]any)) != 0 {
		t.Errorf("with the wrong key: %v", d)
	}
	id := keyID(t, b)
	if reason := fmt.Sprint(s.want(http.StatusOK, "GET", "/subscriptions/"+plain, nil)["held_reason"]); !strings.Contains(reason, id) || !strings.Contains(reason, "HOOKFERRY_MASTER_KEY") {
		t.Errorf("held_reason is %q, want the key %s and where to set it", reason, id)
	}
	if status, header, answer := s.signed(strict, secret); status != http.StatusServiceUnavailable || answer["code"] != "secrets_sealed" || header.Get("Retry-After") == "" {
		t.Errorf("a signature that can't be checked gets %d %v %v", status, header, answer)
	}
	s.stop()

	s = start(t, dir, with(b)...)
	if d := s.settled(waiting); d["status"] != "delivered" {
		t.Errorf("the pending delivery: %v", d)
	}
	if status, _, answer := s.signed(strict, secret); status != http.StatusAccepted {
		t.Errorf("with the key again, a signed event gets %d %v", status, answer)
	}
	for _, got := range r.got() {
		if got.verdict != nil {
			t.Errorf("a webhook with a wrong signature was sent: %v", got.verdict)
		}
	}
}

func masterKey(letter byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{letter}, 32))
}

// keyID returns the id of a master key.
func keyID(t *testing.T, key string) string {
	t.Helper()
	cfg, err := config.Load([]string{"HOOKFERRY_MASTER_KEY=" + key}, "", config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg.MasterKeys.IDs()[0].String()
}

// signed publishes an event with a signature, as a producer does.
func (i *instance) signed(subscription, secret string) (int, http.Header, map[string]any) {
	i.t.Helper()
	signer, err := webhook.NewSigner(secret)
	if err != nil {
		i.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(i.t.Context(), http.MethodPost, i.url+"/webhooks/ingest/"+subscription, strings.NewReader(created))
	if err != nil {
		i.t.Fatal(err)
	}
	if err := signer.SignHeader(req.Header, "msg_1", time.Now(), []byte(created)); err != nil {
		i.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return i.do(req)
}

// A service without a master key warns at each start, except with --dev.
func TestUnencryptedSecretsWarning(t *testing.T) {
	const warning = "secrets are stored unencrypted"
	for _, c := range []struct {
		why      string
		cfg      config.Config
		expected bool
	}{
		{"no master key", secretive(t, t.TempDir(), "HOOKFERRY_API_KEY=0123456789abcdef"), true},
		{"a master key", secretive(t, t.TempDir(), "HOOKFERRY_API_KEY=0123456789abcdef", "HOOKFERRY_MASTER_KEY="+masterKey('a')), false},
		{"a developer's machine", load(t, t.TempDir()), false},
	} {
		log := &journal{}
		launch(t, c.cfg, log).stop()
		if got := strings.Contains(log.String(), warning); got != c.expected || strings.Contains(log.String(), "level=WARN") != c.expected {
			t.Errorf("%s: the log is\n%s", c.why, log.String())
		}
	}
}
