package config

import (
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	c := mustLoad(t, []string{"WEBHOOK_TIMEOUT=3", "HOOKFERRY_API_KEY=0123456789abcdef"}, Overrides{Dev: true, Data: "/srv"})
	got := map[string]Setting{}
	for _, s := range c.Describe() {
		got[s.Name] = s
	}
	for _, want := range []Setting{
		{Name: "HOOKFERRY_DATA", Flag: "--data", Value: "/srv", Default: "./data", Source: FromFlag, Role: RoleAll, Meaning: "Directory of the SQLite database."},
		{Name: "WEBHOOK_TIMEOUT", Value: "3s", Default: "10s", Source: FromEnvironment, Role: RoleWorker, Allowed: "100ms to 1m", Meaning: "How long an attempt may take, from the DNS lookup to the status line of the response."},
		{Name: "HOOKFERRY_ADDR", Flag: "--addr", Value: "127.0.0.1:8000", Default: "127.0.0.1:8000", Source: FromDefault, Role: RoleAll, Meaning: "The address that the API listens on. A worker serves /livez, /readyz and /health there."},
		{Name: "HOOKFERRY_API_KEY", Value: "[hidden]", Default: "none", Source: FromEnvironment, Role: RoleAPI, Secret: true, Allowed: "at least 16 characters", Meaning: "A first API key, for containers. hookferry keys create creates more."},
	} {
		if got[want.Name] != want {
			t.Errorf("got  %+v\nwant %+v", got[want.Name], want)
		}
	}
	if s := got["DATABASE_URL"]; s.Value != "sqlite:///srv/hookferry.db" || s.Default != "hookferry.db in HOOKFERRY_DATA" || s.Source != FromDefault {
		t.Errorf("the database is described as %+v", s)
	}
	if len(got) != len(declarations(&c)) {
		t.Errorf("%d settings are described, want all", len(got))
	}
}

func TestMarkdown(t *testing.T) {
	table := Markdown()
	for _, row := range []string{
		"| setting | default | used by | meaning |\n|---|---|---|---|\n",
		"| `HOOKFERRY_ADDR` (`--addr`) | `:8000`; `127.0.0.1:8000` with `--dev` | all | The address that the API listens on. A worker serves `/livez`, `/readyz` and `/health` there. |\n",
		"| `HOOKFERRY_ALLOW_TARGETS` | none; `127.0.0.0/8,::1/128` with `--dev` | all | ",
		"| `WEBHOOK_MAX_RETRIES` | `5` | worker | How many retries may follow the first attempt. Allowed: 0 to 50. |\n",
		"| `DATABASE_URL` | `hookferry.db` in `HOOKFERRY_DATA` | all | ",
		"`HOOKFERRY_API_KEY_FILE` can name a file that holds it. |\n",
	} {
		if !strings.Contains(table, row) {
			t.Errorf("the table lacks %q:\n%s", row, table)
		}
	}
	for line := range strings.Lines(table) {
		if strings.Count(line, "|") != 5 {
			t.Errorf("not a row of four columns: %s", line)
		}
	}
}
