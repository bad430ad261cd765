// Package deploy_test compares the deployment files with the code. The settings in compose.yaml,
// the Render blueprint, the chart and the systemd unit must exist, their values must be valid, and
// no platform may kill the service before its grace period has ended.
//
// It reads the files line by line, because the project needs no YAML parser elsewhere. It does not
// test whether Docker, Helm or Render accept the files.
//
// Start with TestEveryNameIsASetting.
package deploy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/cli"
	"github.com/hookferry/hookferry/internal/config"
)

const chart = "helm/hookferry/"

// deployed returns all files that name settings.
func deployed(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(chart + "templates/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("the chart has no templates: %v", err)
	}
	files := map[string]string{}
	for _, name := range append(names, "../compose.yaml", "compose-test.yaml", "render.yaml", "hookferry.service", chart+"values.yaml") {
		files[name] = read(t, name)
	}
	return files
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// notOurs are variables that are not settings of Hookferry, and what they belong to.
var notOurs = map[string]string{
	"GOMEMLIMIT":        "Go",
	"API_PORT":          "compose.yaml",
	"COMPOSE_TEST_ENV":  "compose-test.yaml",
	"POSTGRES_USER":     "the PostgreSQL image",
	"POSTGRES_DB":       "the PostgreSQL image",
	"POSTGRES_PASSWORD": "the PostgreSQL image",
	"REDIS_PASSWORD":    "compose.yaml",
	"REDISCLI_AUTH":     "redis-cli",
	"AF_INET":           "an address family of systemd",
	"AF_INET6":          "an address family of systemd",
	"AF_UNIX":           "an address family of systemd",
}

var (
	// anyName is a name in capitals anywhere, comments included.
	anyName = regexp.MustCompile(`\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b`)
	// setName is a name that is given a value, with or without an underscore.
	setName = regexp.MustCompile(`(?m)^ +(?:- (?:name|key): ([A-Z][A-Z0-9_]*)$|([A-Z][A-Z0-9_]*): )`)
)

func TestEveryNameIsASetting(t *testing.T) {
	known := settings(t)
	set := 0
	for file, text := range deployed(t) {
		names := anyName.FindAllString(text, -1)
		for _, found := range setName.FindAllStringSubmatch(text, -1) {
			names = append(names, found[1]+found[2])
			set++
		}
		for _, name := range names {
			if !known[name] && notOurs[name] == "" {
				t.Errorf("%s has %s, which is not a setting", file, name)
			}
		}
	}
	if set < 20 {
		t.Errorf("only %d settings were found: has the format of the files changed?", set)
	}
}

func settings(t *testing.T) map[string]bool {
	t.Helper()
	cfg, err := config.Load(nil, "", config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, s := range cfg.Describe() {
		known[s.Name] = true
		if s.Secret {
			known[s.Name+"_FILE"] = true
		}
	}
	return known
}

var (
	// setValue is a name with the value beside it, or on the line below.
	setValue = regexp.MustCompile(`(?m)^ +(?:- (?:name|key): ([A-Z][A-Z0-9_]*)\n +value|([A-Z][A-Z0-9_]*)): "?([^"#\n]*[^"# \n])"?(?: +#.*)?$`)
	setRole  = regexp.MustCompile(`--role, ([a-z]+)`)
	variable = regexp.MustCompile(`\$\{[^}]*\}`)
)

// TestEveryValueIsValid reads the settings as each file gives them: each alone, and all together
// for each role. It starts no service.
func TestEveryValueIsValid(t *testing.T) {
	for _, file := range []struct {
		name  string
		least int // minimum number of settings with a value in the file
	}{
		{"../compose.yaml", 5},
		{"render.yaml", 3},
		{chart + "templates/deployments.yaml", 2},
	} {
		text := variable.ReplaceAllString(read(t, file.name), "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
		roles := []string{"api", "worker"}
		for _, found := range setRole.FindAllStringSubmatch(text, -1) {
			roles = append(roles, found[1])
		}
		var together []string
		for _, found := range setValue.FindAllStringSubmatch(text, -1) {
			if strings.Contains(found[3], "{{") {
				continue // Helm inserts the value
			}
			alone := found[1] + found[2] + "=" + found[3]
			load(t, file.name, "", "DATABASE_URL=postgres://db/hookferry", alone)
			together = append(together, alone)
		}
		if len(together) < file.least {
			t.Errorf("%s gives only %q: has its format changed?", file.name, together)
		}
		for _, role := range roles {
			load(t, file.name, role, append([]string{"DATABASE_URL=postgres://db/hookferry"}, together...)...)
		}
	}
}

func load(t *testing.T, file, role string, environ ...string) {
	t.Helper()
	if _, err := config.Load(environ, "", config.Overrides{Role: role}); err != nil {
		t.Errorf("%s: %q as role %q: %v", file, environ, role, err)
	}
}

func TestChartAgreesWithItself(t *testing.T) {
	release, _, _ := strings.Cut(cli.Version(), "+")
	if !strings.Contains(read(t, chart+"Chart.yaml"), "\nappVersion: "+release+"\n") {
		t.Errorf("the chart's appVersion is not %s, the release in the code", release)
	}
	if !strings.Contains(read(t, "../Dockerfile"), " org.opencontainers.image.version="+release+" ") {
		t.Errorf("the image's label does not name %s, the release in the code", release)
	}
	var schema struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal([]byte(read(t, chart+"values.schema.json")), &schema); err != nil {
		t.Fatalf("values.schema.json: %v", err)
	}
	values := regexp.MustCompile(`(?m)^([a-zA-Z]+):`).FindAllStringSubmatch(read(t, chart+"values.yaml"), -1)
	for _, found := range values {
		if schema.Properties[found[1]] == nil {
			t.Errorf("values.yaml has %s, which values.schema.json refuses", found[1])
		}
	}
	if len(values) < 10 {
		t.Errorf("only %d values were found: has the format of the file changed?", len(values))
	}
}
