package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// The same rules hold when a subscription is made and when it is called: one that
// was taken under other settings is not called any more.
func TestTheGuardHoldsAtTheDoorAndAtTheCall(t *testing.T) {
	const allowed = "HOOKFERRY_ALLOW_TARGETS=127.0.0.0/8"
	for _, tt := range []struct {
		why     string
		setting []string
		words   string
	}{
		{"loopback is not public", []string{"HOOKFERRY_ALLOW_TARGETS="}, "127.0.0.1 is a loopback address (RFC 1122), which is not called; an operator may allow it with HOOKFERRY_ALLOW_TARGETS=127.0.0.1/32"},
		{"denied, though allowed", []string{allowed, "HOOKFERRY_DENY_TARGETS=127.0.0.1"}, "127.0.0.1 is not called, because HOOKFERRY_DENY_TARGETS names it"},
		{"another port", []string{allowed, "HOOKFERRY_TARGET_PORTS=1-1023"}, "is not called; those of HOOKFERRY_TARGET_PORTS are: 1-1023"},
		{"not https", []string{allowed, "HOOKFERRY_REQUIRE_HTTPS=true"}, "http:// is not called, only https:// is, because HOOKFERRY_REQUIRE_HTTPS is set"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			r := receive(t, "", nil)
			dir := t.TempDir()
			s := start(t, dir, allowed)
			sub := s.subscribe(map[string]any{"target_url": r.URL})
			s.stop()

			s = start(t, dir, tt.setting...)
			p := s.want(http.StatusUnprocessableEntity, "POST", "/subscriptions/", map[string]any{"target_url": r.URL})
			field := p["errors"].([]any)[0].(map[string]any)
			if p["code"] != "invalid" || field["field"] != "target_url" || !strings.Contains(fmt.Sprint(field["message"]), tt.words) {
				t.Errorf("the refusal is %v, want %q", p, tt.words)
			}
			d := s.settled(s.publish(sub, created))
			attempts := d["attempts"].([]any)
			a := attempts[0].(map[string]any)
			if d["status"] != "failed" || len(attempts) != 1 || a["error_code"] != "target_blocked" || !strings.Contains(fmt.Sprint(a["error"]), tt.words) || a["peer"] != nil {
				t.Errorf("delivery %v, want %q", d, tt.words)
			}
			if n := len(r.got()); n != 0 {
				t.Errorf("the receiver got %d webhooks", n)
			}
		})
	}
}
