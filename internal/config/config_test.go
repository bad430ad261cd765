package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

func mustLoad(t *testing.T, environ []string, flags Overrides) Config {
	t.Helper()
	c, err := Load(environ, "", flags)
	if err != nil {
		t.Fatalf("Load(%q, %+v): %v", environ, flags, err)
	}
	return c
}

// valueOf returns a setting's value and source, as `hookferry config` shows them.
func valueOf(t *testing.T, c Config, name string) (string, Source) {
	t.Helper()
	for _, s := range c.Describe() {
		if s.Name == name {
			return s.Value, s.Source
		}
	}
	t.Fatalf("%s is not described", name)
	return "", ""
}

func write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	c := mustLoad(t, nil, Overrides{})
	c.origins = nil
	want := Config{
		Data: "./data", Database: Database{Engine: SQLite, Path: "data/hookferry.db"}, Retention: 72 * time.Hour,
		MaxRetries: 5, Timeout: 10 * time.Second, TargetPorts: []event.PortRange{{First: 1, Last: 65535}}, MaxInFlight: 1024, LaneInFlight: 64,
		RetrySchedule: []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute},
		Role:          RoleAll, Addr: ":8000", AdminAddr: "127.0.0.1:8001", MaxBody: 1 << 20, ShutdownGrace: 30 * time.Second,
		MaxConnections: 4096, MaxPending: 10_000_000, MaxPendingOfOne: 1_000_000, MaxSubscriptions: 10_000, EventTypes: "open",
		LogLevel: "INFO", LogFormat: "auto", LogAttempts: "failures",
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("with nothing set:\n%+v, want\n%+v", c, want)
	}
}

func TestDevChangesDefaultsOnly(t *testing.T) {
	c := mustLoad(t, nil, Overrides{Dev: true})
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	if !c.Dev || c.Addr != "127.0.0.1:8000" || !slices.Equal(c.AllowTargets, loopback) {
		t.Errorf("--dev: %+v, want 127.0.0.1:8000 and loopback allowed", c)
	}
	c = mustLoad(t, []string{"HOOKFERRY_ADDR=[::1]:9000", "HOOKFERRY_ALLOW_TARGETS=10.0.0.0/8"}, Overrides{Dev: true})
	if c.Addr != "[::1]:9000" || !slices.Equal(c.AllowTargets, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}) {
		t.Errorf("--dev with settings: %+v, want the settings to count", c)
	}
}

func TestWhichSourceCounts(t *testing.T) {
	for _, c := range []struct {
		reason       string
		dotEnv       string
		environ      []string
		flags        Overrides
		name, value  string
		sourceWanted Source
	}{
		{"nothing is set", "", nil, Overrides{}, "HOOKFERRY_DATA", "./data", FromDefault},
		{".env beats the default", "HOOKFERRY_DATA=file\n", nil, Overrides{}, "HOOKFERRY_DATA", "file", FromDotEnv},
		{"the environment beats .env", "HOOKFERRY_DATA=file\n", []string{"HOOKFERRY_DATA=env"}, Overrides{}, "HOOKFERRY_DATA", "env", FromEnvironment},
		{"a flag beats everything", "HOOKFERRY_DATA=file\n", []string{"HOOKFERRY_DATA=env"}, Overrides{Data: "flag"}, "HOOKFERRY_DATA", "flag", FromFlag},
		{"the flag of the role", "", []string{"DATABASE_URL=postgres://db/x"}, Overrides{Role: "api"}, "HOOKFERRY_ROLE", "api", FromFlag},
		{"the other flag", "", []string{"HOOKFERRY_ADDR=:1"}, Overrides{Addr: ":2"}, "HOOKFERRY_ADDR", ":2", FromFlag},
		{"an empty variable means the default, even if .env sets it", "LOG_LEVEL=warn\n", []string{"LOG_LEVEL="}, Overrides{}, "LOG_LEVEL", "INFO", FromDefault},
		{"the last of two in the environment counts, as in a shell", "", []string{"LOG_LEVEL=warn", "LOG_LEVEL=error"}, Overrides{}, "LOG_LEVEL", "ERROR", FromEnvironment},
		{"spaces around a value have no meaning", "", []string{"WEBHOOK_TIMEOUT= 5s "}, Overrides{}, "WEBHOOK_TIMEOUT", "5s", FromEnvironment},
		{"an empty value means no admin address", "", []string{"HOOKFERRY_ADMIN_ADDR="}, Overrides{}, "HOOKFERRY_ADMIN_ADDR", "off", FromEnvironment},
		{"an empty value means that nothing is allowed", "", []string{"HOOKFERRY_ALLOW_TARGETS="}, Overrides{Dev: true}, "HOOKFERRY_ALLOW_TARGETS", "none", FromEnvironment},
		{"an empty name means the default", "", []string{"REDIS_URL="}, Overrides{}, "LOG_LEVEL", "INFO", FromDefault},
	} {
		got, err := Load(c.environ, write(t, ".env", c.dotEnv), c.flags)
		if err != nil {
			t.Errorf("%s: %v", c.reason, err)
			continue
		}
		if value, source := valueOf(t, got, c.name); value != c.value || source != c.sourceWanted {
			t.Errorf("%s: %s is %q from %s, want %q from %s", c.reason, c.name, value, source, c.value, c.sourceWanted)
		}
	}
}

func TestNoDotEnvIsNoFault(t *testing.T) {
	if _, err := Load(nil, filepath.Join(t.TempDir(), ".env"), Overrides{}); err != nil {
		t.Errorf("without a .env file: %v", err)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	key := write(t, "key", "0123456789abcdef\n")
	c := mustLoad(t, []string{"HOOKFERRY_API_KEY_FILE=" + key}, Overrides{})
	if c.APIKey != "0123456789abcdef" {
		t.Errorf("the key from the file is %q", string(c.APIKey))
	}
	if value, source := valueOf(t, c, "HOOKFERRY_API_KEY"); value != "[hidden]" || source != FromEnvironment {
		t.Errorf("it is shown as %q from %s", value, source)
	}
	database := write(t, "url", "sqlite:///srv/hooks.db")
	if c := mustLoad(t, []string{"DATABASE_URL_FILE=" + database}, Overrides{}); c.Database.Path != "/srv/hooks.db" {
		t.Errorf("the database from the file is %q", c.Database.Path)
	}
	// The environment wins over .env, whichever of the two names each uses.
	c, err := Load([]string{"HOOKFERRY_API_KEY=fedcba9876543210"}, write(t, ".env", "HOOKFERRY_API_KEY_FILE=/nowhere\n"), Overrides{})
	if err != nil || c.APIKey != "fedcba9876543210" {
		t.Errorf("the key is %q (%v), want the environment's", string(c.APIKey), err)
	}
}

func TestRetryPolicy(t *testing.T) {
	for _, c := range []struct {
		reason  string
		environ []string
		want    string
	}{
		{"the default", nil, "[10s 30s 1m0s 5m0s 15m0s]"},
		{"cut", []string{"WEBHOOK_MAX_RETRIES=2"}, "[10s 30s]"},
		{"extended by repeating the last delay", []string{"WEBHOOK_MAX_RETRIES=4", "WEBHOOK_RETRY_SCHEDULE=1s,2s"}, "[1s 2s 2s 2s]"},
		{"a schedule alone is not truncated", []string{"WEBHOOK_RETRY_SCHEDULE=1s,2s,3s,4s,5s,6s,7s"}, "[1s 2s 3s 4s 5s 6s 7s]"},
		{"a short schedule alone is not extended", []string{"WEBHOOK_RETRY_SCHEDULE=1s"}, "[1s]"},
		{"no retries at all", []string{"WEBHOOK_MAX_RETRIES=0"}, "[]"},
		{"a delay doubles, and replaces the schedule", []string{"WEBHOOK_RETRY_DELAY=2", "WEBHOOK_MAX_RETRIES=4"}, "[2s 4s 8s 16s]"},
		{"fractions of a second", []string{"WEBHOOK_RETRY_DELAY=0.25", "WEBHOOK_MAX_RETRIES=2"}, "[250ms 500ms]"},
		{"a duration", []string{"WEBHOOK_RETRY_DELAY=1m", "WEBHOOK_MAX_RETRIES=1"}, "[1m0s]"},
	} {
		policy := mustLoad(t, c.environ, Overrides{}).RetryPolicy()
		if got := fmt.Sprint(policy); got != c.want || policy == nil {
			t.Errorf("%s: %v gives %s, want %s", c.reason, c.environ, got, c.want)
		}
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	c := mustLoad(t, []string{"HOOKFERRY_API_KEY=0123456789abcdef", "HOOKFERRY_MASTER_KEY=" + strings.Repeat("0123456789abcdef", 4)}, Overrides{})
	c.Database = Database{Engine: Postgres, URL: "postgres://u:0123456789abcdef@db/x"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, "0123456789abcdef") {
			t.Errorf("%s prints the key: %s", verb, text)
		}
	}
	if text := fmt.Sprint(c.Describe()); strings.Contains(text, "0123456789abcdef") {
		t.Errorf("Describe shows the key: %s", text)
	}
}

// TestEachFieldIsOneSetting finds a field without a setting, and a field with two settings.
func TestEachFieldIsOneSetting(t *testing.T) {
	var c Config
	authority := write(t, "ca.pem", block("CERTIFICATE", certificate(t, "Authority", time.Now(), time.Now().Add(time.Hour))))
	for _, d := range declarations(&c) {
		text := d.def
		if text == "" || text == "false" { // any value except the field's zero value
			text = map[string]string{
				"HOOKFERRY_DENY_TARGETS": "::1", "HOOKFERRY_REQUIRE_HTTPS": "true", "HOOKFERRY_PROXY": "http://p:1", "HOOKFERRY_TARGET_CA": authority,
				"DATABASE_URL": "sqlite://x", "DATABASE_READ_URL": "postgres://db/x", "REDIS_URL": "redis://r", "WEBHOOK_RETRY_DELAY": "1s", "HOOKFERRY_ALLOW_TARGETS": "::1",
				"HOOKFERRY_API_KEY": strings.Repeat("k", minKey), "HOOKFERRY_MASTER_KEY": strings.Repeat("0a", 32),
			}[d.name]
		}
		before := c
		if err := d.value.read(text); err != nil {
			t.Errorf("%s doesn't accept %q: it %v", d.name, text, err)
		}
		if changed := changedFields(before, c); len(changed) != 1 {
			t.Errorf("%s sets the fields %v, want one that no other setting sets", d.name, changed)
		}
	}
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Dev" && name != "origins" && name != "warnings" {
			t.Errorf("no setting sets the field %s", name)
		}
	}
}

func changedFields(before, after Config) (names []string) {
	a, b := reflect.ValueOf(before), reflect.ValueOf(after)
	for i := range a.NumField() {
		if a.Type().Field(i).IsExported() && !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			names = append(names, a.Type().Field(i).Name)
		}
	}
	return names
}

func TestDeclarationsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range declarations(&Config{}) {
		if seen[d.name] {
			t.Errorf("%s is declared twice", d.name)
		}
		seen[d.name] = true
		if !strings.HasSuffix(d.meaning, ".") || strings.Contains(d.meaning, "\n") || strings.Contains(d.meaning, "|") {
			t.Errorf("%s: %q is not a sentence for a table", d.name, d.meaning)
		}
		if !slices.Contains([]Role{RoleAll, RoleAPI, RoleWorker}, d.role) {
			t.Errorf("%s is used by %q", d.name, d.role)
		}
		if d.flag != "" && len(flagLayer(Overrides{Addr: "x", AdminAddr: "x", Data: "x", Role: "x"}, []declaration{d}).entries) != 1 {
			t.Errorf("%s names the flag %s, which Overrides doesn't have", d.name, d.flag)
		}
		for _, text := range []string{d.def, d.devDef} {
			if err := d.value.read(text); err != nil && text != "" {
				t.Errorf("%s doesn't accept its own default %q: it %v", d.name, text, err)
			}
		}
	}
}
