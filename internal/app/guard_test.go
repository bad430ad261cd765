package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// The same rules apply when a subscription is created and when its endpoint is called: an endpoint
// that other settings allowed is no longer called.
func TestTheGuardHoldsAtTheDoorAndAtTheCall(t *testing.T) {
	const allowed = "HOOKFERRY_ALLOW_TARGETS=127.0.0.0/8"
	for _, tt := range []struct {
		why     string
		setting []string
		words   string
	}{
		{"loopback is not public", []string{"HOOKFERRY_ALLOW_TARGETS="}, "127.0.0.1 is blocked: it is a loopback address (RFC 1122); the operator can allow it with HOOKFERRY_ALLOW_TARGETS=127.0.0.1/32"},
		{"denied, though allowed", []string{allowed, "HOOKFERRY_DENY_TARGETS=127.0.0.1"}, "127.0.0.1 is blocked: it is listed in HOOKFERRY_DENY_TARGETS"},
		{"another port", []string{allowed, "HOOKFERRY_TARGET_PORTS=1-1023"}, "is blocked; HOOKFERRY_TARGET_PORTS allows 1-1023"},
		{"not https", []string{allowed, "HOOKFERRY_REQUIRE_HTTPS=true"}, "http:// is blocked, because HOOKFERRY_REQUIRE_HTTPS is set; use https://"},
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
				t.Errorf("the endpoint got %d webhooks", n)
			}
		})
	}
}

func TestDeliveryThroughAProxy(t *testing.T) {
	proxy, asked := connectProxy(t)
	r := receive(t, "my_secret_key", nil)
	s := start(t, t.TempDir(), "HOOKFERRY_PROXY=http://ferry:t0p-secret@"+proxy)
	sub := s.subscribe(map[string]any{"target_url": r.URL, "secret": "my_secret_key"})
	d := s.settled(s.publish(sub, created))
	if got := r.got(); d["status"] != "delivered" || len(got) != 1 || got[0].verdict != nil || got[0].header.Get("Proxy-Authorization") != "" {
		t.Errorf("delivery %v, the endpoint got %+v", d, got)
	}
	want := strings.TrimPrefix(r.URL, "http://")
	if peer := d["attempts"].([]any)[0].(map[string]any)["peer"]; peer != want {
		t.Errorf("the peer is %v, want the endpoint, %v", peer, want)
	}
	if got := <-asked; got.RequestURI != want || got.Header.Get("Proxy-Authorization") == "" {
		t.Errorf("the proxy was asked for %q with %v, want %q", got.RequestURI, got.Header, want)
	}
}

// connectProxy is an HTTP proxy that supports only CONNECT.
func connectProxy(t *testing.T) (addr string, asked <-chan *http.Request) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	requests := make(chan *http.Request, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				requests <- req
				target, err := net.Dial("tcp", req.RequestURI)
				if req.Method != http.MethodConnect || err != nil {
					io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
					return
				}
				defer target.Close()
				io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
				go io.Copy(target, c)
				io.Copy(c, target)
			}()
		}
	}()
	return l.Addr().String(), requests
}
