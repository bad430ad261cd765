package cli

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/test/await"
)

// A delay ends when the listener stops, and the sender gets its response.
func TestListenRuns(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answered := make(chan int, 1)
	notes := &await.Output{Until: "Ctrl-C", Then: func(text string) {
		url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(text)
		go func() {
			resp, err := http.Post(url+"/any/path", "application/json", strings.NewReader(`{"event":"user.created","data":1}`))
			if err != nil {
				answered <- 0
				return
			}
			resp.Body.Close()
			answered <- resp.StatusCode
		}()
	}}
	out := &await.Output{Until: "response 204 in 24h0m0s", Then: func(string) { cancel() }}
	t.Setenv("LISTEN_SECRET", "geheim")
	if code := Run(ctx, []string{"listen", "--addr", "127.0.0.1:0", "--delay", "24h", "--status", "204"}, strings.NewReader(""), out, notes); code != 0 {
		t.Errorf("exit status %d\n%s", code, notes)
	}
	if code := <-answered; code != http.StatusNoContent {
		t.Errorf("responded with %d", code)
	}
	for _, want := range []string{"responds with 204, after 24h0m0s; signatures are checked.", "hookferry serve --dev", `"secret": "THE SAME SECRET"`, "Stopped after 1 webhook."} {
		if !strings.Contains(notes.String(), want) {
			t.Errorf("%q is not in\n%s", want, notes)
		}
	}
	if strings.Contains(notes.String()+out.String(), "geheim") {
		t.Errorf("the secret is printed\n%s%s", notes, out)
	}
}

func TestListenArguments(t *testing.T) {
	t.Setenv("LISTEN_SECRET", "")
	for _, test := range []struct {
		reason string
		args   []string
		code   int
		says   string
	}{
		{"not a final status", []string{"--status", "100"}, 2, "from 200 to 599"},
		{"no HTTP status", []string{"--status", "600"}, 2, "from 200 to 599"},
		{"a status without a body", []string{"--status", "204", "--body", "x"}, 2, "has no body"},
		{"a negative delay", []string{"--delay", "-1s"}, 2, "--delay"},
		{"a negative count", []string{"--fail-first", "-1"}, 2, "--fail-first"},
		{"a secret that can't be decoded", []string{"--secret", "whsec_*geheim"}, 2, "the secret begins with whsec_, but the rest is not base64"},
		{"a secret with a line end", []string{"--secret", "geheim\n"}, 2, "the secret ends with a line break; remove it"},
		{"a secret in quotes", []string{"--secret", `"geheim"`}, 2, "the secret is in quotes; remove them"},
		{"the prefix of a signature", []string{"--secret", "v1,whsec_geheim"}, 2, "the secret begins with v1"},
		{"an argument", []string{"9000"}, 2, "takes no argument"},
		{"an invalid address", []string{"--addr", "nowhere"}, 1, "choose another address with --addr"},
	} {
		var out, errOut bytes.Buffer
		code := Run(t.Context(), append([]string{"listen"}, test.args...), strings.NewReader(""), &out, &errOut)
		if code != test.code || !strings.Contains(errOut.String(), test.says) || strings.Contains(errOut.String(), "geheim") {
			t.Errorf("%s: exit status %d\n%s", test.reason, code, &errOut)
		}
	}
}
