package outside

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hookferry/hookferry"

// program publishes an event to a service of its own, which signs the event, and verifies that.
const program = `package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/webhook"
)

func main() {
	secret := webhook.NewSecret()
	signer, err := webhook.NewSigner(secret)
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := webhook.NewVerifier([]string{secret}, webhook.StandardOnly())
	if err != nil {
		log.Fatal(err)
	}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			log.Fatal(err)
		}
		header := http.Header{}
		if err := signer.SignHeader(header, "msg_1", time.Now(), body); err != nil {
			log.Fatal(err)
		}
		fmt.Println("as it was signed:", verifier.Verify(header, body))
		fmt.Println("with one byte more:", verifier.Verify(header, append(body, ' ')) != nil)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, ` + "`" + `{"delivery_id": "d1", "event_id": "e1", "status": "pending"}` + "`" + `)
	}))
	defer service.Close()
	c, err := client.New(service.URL)
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := c.PublishTo(context.Background(), "s1", client.Event{Type: "user.created", Data: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("accepted:", receipt.DeliveryID)
}
`

// TestAnotherModuleCanUseThePublicPackages builds and runs a program of another module without a
// network, so that anything outside this tree would be missing.
func TestAnotherModuleCanUseThePublicPackages(t *testing.T) {
	dir, root := t.TempDir(), repository(t)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod":  "module example.com/outside\n\n" + goLine(t, root) + "\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + root + "\n",
		"go.sum":  string(sums),
		"main.go": program,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	built := filepath.Join(dir, "program")
	run(t, dir, "go", "build", "-o", built, ".")
	const want = "as it was signed: <nil>\nwith one byte more: true\naccepted: d1\n"
	if got := run(t, dir, built); got != want {
		t.Errorf("it prints\n%s\nwant\n%s", got, want)
	}
	imported := strings.Fields(run(t, dir, "go", "list", "-deps", "-f", "{{if .Module}}{{.ImportPath}}{{end}}", "."))
	slices.Sort(imported)
	if want := []string{"example.com/outside", module + "/client", module + "/webhook"}; !slices.Equal(imported, want) {
		t.Errorf("besides the standard library it contains %v, want %v", imported, want)
	}
}

// The README names the packages of this module by their import paths.
func TestTheREADMENamesExistingPackages(t *testing.T) {
	root := repository(t)
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, found := range regexp.MustCompile(regexp.QuoteMeta(module)+`/([a-z/]+)`).FindAllStringSubmatch(string(text), -1) {
		named[found[1]] = true
		files, err := filepath.Glob(filepath.Join(root, found[1], "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("the README names %s, which is not a package (%v)", found[0], err)
		}
	}
	for _, wanted := range []string{"client", "webhook", "cmd/hookferry"} {
		if !named[wanted] {
			t.Errorf("the README does not say how to get %s/%s", module, wanted)
		}
	}
}

// repository returns the directory of this module.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// goLine returns the line of go.mod with the Go version of this module.
func goLine(t *testing.T, root string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^go .+\n`).FindString(string(text))
	if line == "" || !strings.HasPrefix(string(text), "module "+module+"\n") {
		t.Fatalf("go.mod is not that of %s", module)
	}
	return line
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local")
	var failed strings.Builder
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, failed.String())
	}
	return string(out)
}
