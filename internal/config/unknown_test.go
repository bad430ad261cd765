package config

import (
	"strings"
	"testing"
)

// TestUnknownVariables: a typo that would have no effect stops the start, a variable that may
// belong to another program gets a warning, and anything else is ignored.
func TestUnknownVariables(t *testing.T) {
	for _, c := range []struct {
		reason, variables string // separated by spaces
		stops             bool
		want              string // in the fault or the warning; "" means neither
	}{
		{"swapped", "LOG_LEVLE=debug", true, "did you mean LOG_LEVEL? Rename it, or if another program uses it, also set LOG_LEVEL."},
		{"a missing letter", "LOG_LEVE=debug", true, "did you mean LOG_LEVEL?"},
		{"together", "LOGLEVEL=debug", true, "did you mean LOG_LEVEL?"},
		{"URI for URL", "DATABASE_URI=postgres://db/x", true, "did you mean DATABASE_URL?"},
		{"a missing letter", "DATABSE_URL=sqlite://x.db", true, "did you mean DATABASE_URL?"},
		{"DB for DATABASE", "DB_URL=postgres://db/x", true, "did you mean DATABASE_URL?"},
		{"another common name", "POSTGRES_URL=postgres://db/x", true, "did you mean DATABASE_URL?"},
		{"URI for URL", "REDIS_URI=redis://r:6379", true, "did you mean REDIS_URL?"},
		{"a typo in the replica's name", "DATABASE_REED_URL=postgres://db/x", true, "did you mean DATABASE_READ_URL?"},
		{"a typo in LOG_RETENTION", "LOG_RETENTON=3d", true, "did you mean LOG_RETENTION?"},
		{"a typo in the name of a file", "DATABASE_URL_FIEL=/run/secrets/url", true, "did you mean DATABASE_URL_FILE?"},

		{"guessed", "HOOKFERRY_RETENTION=3d", true, "did you mean LOG_RETENTION? Rename it, or remove it."},
		{"guessed", "WEBHOOK_RETRIES=3", true, "did you mean WEBHOOK_MAX_RETRIES?"},
		{"guessed", "HOOKFERRY_MAX_ATTEMPTS=3", true, "did you mean WEBHOOK_MAX_RETRIES?"},
		{"guessed", "WEBHOOK_RETENTION=3d", true, "did you mean LOG_RETENTION?"},
		{"an unneeded prefix", "HOOKFERRY_LOG_LEVEL=debug", true, "did you mean LOG_LEVEL?"},
		{"an unneeded prefix", "HOOKFERRY_DATABASE_URL=postgres://db/x", true, "did you mean DATABASE_URL?"},
		{"an unneeded prefix", "WEBHOOK_REDIS_URL=redis://r", true, "did you mean REDIS_URL?"},
		{"a directory", "HOOKFERRY_DATA_DIR=/x", true, "did you mean HOOKFERRY_DATA?"},
		{"a port", "HOOKFERRY_PORT=8080", true, "did you mean HOOKFERRY_ADDR=:8080?"},
		{"the prefix HOOKFERRY_, but no similar setting", "HOOKFERRY_NONSENSE=1", true, "`hookferry config` lists all settings"},
		{"the prefix HOOKFERRY_, although the right setting is set", "HOOKFERRY_LOG_LEVEL=debug LOG_LEVEL=info", true, "did you mean LOG_LEVEL?"},

		{"a platform's port", "PORT=8080", false, "PORT is not a setting, and is ignored; did you mean HOOKFERRY_ADDR=:8080?"},
		{"the same, and an address", "PORT=8080 HOOKFERRY_ADDR=:8080", false, ""},
		{"the right setting is set too", "LOG_LEVLE=debug LOG_LEVEL=info", false, "LOG_LEVLE is not a setting, and is ignored; did you mean LOG_LEVEL?"},
		{"the file of the right setting is set too", "DATABASE_URI=postgres://db/x DATABASE_URL_FILE=/dev/null/x", false, "DATABASE_URL_FILE names a file"},
		{"a database of another program", "POSTGRES_URL=postgres://db/x DATABASE_URL=sqlite://x.db", false, ""},
		{"a value that the setting does not accept", "LOG_LEVELS=3", false, "LOG_LEVELS is not a setting, and is ignored"},
		{"another kind of database", "DATABASE_URI=mysql://db/x", false, "DATABASE_URI is not a setting, and is ignored"},
		{"another program's webhook", "WEBHOOK_URL=https://example.com", false, "WEBHOOK_URL is not a setting, and is ignored"},
		{"a guess with a value that the setting does not accept", "WEBHOOK_RETRIES=many", false, "WEBHOOK_RETRIES is not a setting, and is ignored; did you mean WEBHOOK_MAX_RETRIES?"},

		{"another program's", "TIMEOUT=10s", false, ""},
		{"another program's", "API_KEY=0123456789abcdef", false, ""},
		{"another program's", "DATABASE_HOST=db", false, ""},
		{"another program's", "DATABASE_NAME=x", false, ""},
		{"another program's", "REDIS_HOST=r", false, ""},
		{"another program's", "LOG_FORMAT=json", false, ""},
		{"another program's", "LOG_FILE=x", false, ""},
		{"another program's", "PATH=/bin", false, ""},
		{"of the commands that call the service", "HOOKFERRY_URL=http://127.0.0.1:8000", false, ""},
		{"of the commands that call the service", "HOOKFERRY_TOKEN=hf_x", false, ""},
		{"a typo of such a name", "HOOKFERRY_TOKENS=hf_x", true, "HOOKFERRY_TOKENS is not a setting"},
		{"empty", "LOG_LEVLE=", false, ""},
	} {
		cfg, err := Load(strings.Fields(c.variables), "", Overrides{})
		said := strings.Join(cfg.Warnings(), " ")
		if err != nil {
			said = err.Error()
		}
		if c.stops && err == nil || !strings.Contains(said, c.want) || c.want == "" && said != "" {
			t.Errorf("%s: %s: it says %q (stops: %v), want %q (%v)", c.reason, c.variables, said, err != nil, c.want, c.stops)
		}
		if !c.stops && err != nil && !strings.Contains(c.variables, "_FILE") {
			t.Errorf("%s: %s stops the start: %v", c.reason, c.variables, err)
		}
	}
	if cfg, err := Load([]string{"POSTGRES_URL=postgres://db/x"}, "", Overrides{Data: "x"}); err != nil || len(cfg.Warnings()) > 0 {
		t.Errorf("--data selects the database: %v %v", err, cfg.Warnings())
	}
	if _, err := Load(nil, write(t, ".env", "DATABASE_URI=postgres://db/x\n"), Overrides{}); err == nil || !strings.Contains(err.Error(), "line 1) is not a setting: did you mean DATABASE_URL?") {
		t.Errorf("in the .env file: %v", err)
	}
}

// TestListsWithOtherSeparators uses separators of other programs.
func TestListsWithOtherSeparators(t *testing.T) {
	for _, name := range []string{"WEBHOOK_RETRY_SCHEDULE", "HOOKFERRY_ALLOW_TARGETS", "HOOKFERRY_DENY_TARGETS", "HOOKFERRY_TARGET_PORTS"} {
		entries := map[string][2]string{"WEBHOOK_RETRY_SCHEDULE": {"10s", "30s"}, "HOOKFERRY_TARGET_PORTS": {"80", "443"}}[name]
		if entries[0] == "" {
			entries = [2]string{"10.0.0.0/8", "192.168.1.7"}
		}
		for _, form := range []string{"A;B", "A; B", "A B", "A  B", "A|B", "[A,B]", "[A, B]", "(A,B)", "{A,B}", `"A,B"`, "'A,B'", `["A","B"]`, "A\tB", "A\nB"} {
			text := strings.NewReplacer("A", entries[0], "B", entries[1]).Replace(form)
			if _, err := Load([]string{name + "=" + text}, "", Overrides{}); err == nil || !strings.Contains(err.Error(), "with commas and nothing else, like ") {
				t.Errorf("%s=%s: %v, want the separator of the entries", name, text, err)
			}
		}
		for _, form := range []string{"A,B", "A, B", " A , B "} {
			text := strings.NewReplacer("A", entries[0], "B", entries[1]).Replace(form)
			if _, err := Load([]string{name + "=" + text}, "", Overrides{}); err != nil {
				t.Errorf("%s=%s: %v", name, text, err)
			}
		}
	}
}
