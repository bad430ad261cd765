package receive

import (
	"bufio"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/webhook"
)

var (
	block    = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")
	fileName = regexp.MustCompile(`^(?://|#) ([A-Za-z]+\.[a-z]+)\n`)
)

// document returns the programs in docs/receive.md by file name, and the request that it shows.
func document(t *testing.T) (programs map[string]string, request string) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/receive.md")
	if err != nil {
		t.Fatal(err)
	}
	programs = map[string]string{}
	for _, found := range block.FindAllStringSubmatch(string(text), -1) {
		switch name := fileName.FindStringSubmatch(found[2]); {
		case name != nil && programs[name[1]] != "":
			t.Fatalf("docs/receive.md has two programs %s", name[1])
		case name != nil:
			programs[name[1]] = found[2]
		case found[1] == "http":
			request = found[2]
		}
	}
	return programs, request
}

func TestEveryProgramIsRun(t *testing.T) {
	var run []string
	for _, p := range programs {
		run = append(run, p.file)
	}
	found, _ := document(t)
	for name := range found {
		if !slices.Contains(run, name) {
			t.Errorf("docs/receive.md has a program %s that no test runs: add it to the table of programs", name)
		}
	}
}

// The request that the document shows is signed with the secret that it names.
func TestTheRequestInTheDocument(t *testing.T) {
	const secret = "whsec_aG9va2ZlcnJ5LWV4YW1wbGUtc2VjcmV0LTMyLWJ5dGU="
	_, text := document(t)
	head, body, _ := strings.Cut(text, "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatalf("%v; it is\n%s", err, text)
	}
	at := func() time.Time { return time.Unix(1764316800, 0) }
	verifier, err := webhook.NewVerifier([]string{secret}, webhook.WithClock(at))
	if err != nil {
		t.Fatal(err)
	}
	body = strings.TrimSuffix(body, "\n")
	if err := verifier.Verify(r.Header, []byte(body)); err != nil {
		t.Error(err)
	}
	hub := http.Header{webhook.HeaderHubSignature: r.Header[webhook.HeaderHubSignature]}
	if err := verifier.Verify(hub, []byte(body)); err != nil {
		t.Error(err)
	}
}
