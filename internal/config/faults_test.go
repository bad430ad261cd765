package config

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestContradictions(t *testing.T) {
	for _, c := range []struct {
		reason  string
		environ []string
		flags   Overrides
		want    string // "" means no fault
	}{
		{
			"two ways to say when to try again",
			[]string{"WEBHOOK_RETRY_DELAY=1", "WEBHOOK_RETRY_SCHEDULE=1s"},
			Overrides{},
			"WEBHOOK_RETRY_DELAY and WEBHOOK_RETRY_SCHEDULE are both set, but only one of them can set the retry delays: remove one.",
		},
		{
			"retries outlive what they belong to",
			[]string{"WEBHOOK_RETRY_SCHEDULE=20h", "WEBHOOK_MAX_RETRIES=4"},
			Overrides{},
			"The retries of a delivery take up to 88h, but LOG_RETENTION keeps it for only 72h: raise LOG_RETENTION, or lower WEBHOOK_MAX_RETRIES or the delays.",
		},
		{"a longer retention", []string{"WEBHOOK_RETRY_SCHEDULE=20h", "WEBHOOK_MAX_RETRIES=4", "LOG_RETENTION=88h"}, Overrides{}, ""},
		{
			"doubling outlives it too",
			[]string{"WEBHOOK_RETRY_DELAY=60", "WEBHOOK_MAX_RETRIES=50"},
			Overrides{},
			"The retries of a delivery take up to 1067h7m42s, but LOG_RETENTION keeps it for only 72h: raise LOG_RETENTION, or lower WEBHOOK_MAX_RETRIES or the delays.",
		},
		{
			"two databases",
			[]string{"DATABASE_URL=sqlite://a.db"},
			Overrides{Data: "b"},
			"--data names the directory of a SQLite database, but DATABASE_URL (environment) names the database sqlite://a.db: leave out --data to use DATABASE_URL, or unset DATABASE_URL to use --data.",
		},
		{"a directory that the image always sets", []string{"DATABASE_URL=sqlite://a.db", "HOOKFERRY_DATA=b"}, Overrides{}, ""},
		{"a directory, and no database", []string{"DATABASE_URL="}, Overrides{Data: "b"}, ""},
		{
			"--dev for everybody",
			[]string{"HOOKFERRY_ADDR=0.0.0.0:8000"},
			Overrides{Dev: true},
			`HOOKFERRY_ADDR is "0.0.0.0:8000", which other machines can reach, but --dev needs no API key: write it like 127.0.0.1:8000, or start without --dev.`,
		},
		{
			"--dev for everybody, by flag", nil,
			Overrides{Dev: true, Addr: ":8000"},
			`--addr is ":8000", which other machines can reach, but --dev needs no API key: write it like 127.0.0.1:8000, or start without --dev.`,
		},
		{
			"profiles for everybody, by flag", nil,
			Overrides{Dev: true, AdminAddr: ":9001"},
			`--admin-addr is ":9001", which other machines can reach, but --dev needs no API key: write it like 127.0.0.1:8000, or start without --dev.`,
		},
		{
			"both on one port, by flags", nil,
			Overrides{Addr: ":9001", AdminAddr: "127.0.0.1:9001"},
			`--addr is ":9001" and --admin-addr is "127.0.0.1:9001", but the service can't listen on both: give them different ports.`,
		},
		{"--dev on the default port of the metrics", nil, Overrides{Dev: true, Addr: "127.0.0.1:8001"}, ""},
		{
			"profiles for everybody",
			[]string{"HOOKFERRY_ADMIN_ADDR=:9001"},
			Overrides{Dev: true},
			`HOOKFERRY_ADMIN_ADDR is ":9001", which other machines can reach, but --dev needs no API key: write it like 127.0.0.1:8000, or start without --dev.`,
		},
		{"--dev on a name of this machine", []string{"HOOKFERRY_ADDR=localhost:8000"}, Overrides{Dev: true}, ""},
		{"--dev on IPv4 in IPv6's clothes", []string{"HOOKFERRY_ADDR=[::ffff:127.0.0.1]:8000"}, Overrides{Dev: true}, ""},
		{"--dev without an admin address", []string{"HOOKFERRY_ADMIN_ADDR="}, Overrides{Dev: true}, ""},
		{
			"both on one port",
			[]string{"HOOKFERRY_ADDR=:8001"},
			Overrides{},
			`HOOKFERRY_ADDR is ":8001" and HOOKFERRY_ADMIN_ADDR is "127.0.0.1:8001", but the service can't listen on both: give them different ports.`,
		},
		{
			"both on one address, by flag",
			[]string{"HOOKFERRY_ADMIN_ADDR=127.0.0.2:80"},
			Overrides{Addr: "127.0.0.2:80"},
			`--addr is "127.0.0.2:80" and HOOKFERRY_ADMIN_ADDR is "127.0.0.2:80", but the service can't listen on both: give them different ports.`,
		},
		{"the same port of two addresses", []string{"HOOKFERRY_ADDR=10.0.0.1:8001"}, Overrides{}, ""},
		{"any free port, twice", []string{"HOOKFERRY_ADDR=:0", "HOOKFERRY_ADMIN_ADDR=:0"}, Overrides{}, ""},
		{"no admin address, so no collision", []string{"HOOKFERRY_ADDR=:8001", "HOOKFERRY_ADMIN_ADDR=off"}, Overrides{}, ""},
	} {
		got := ""
		if _, err := Load(c.environ, "", c.flags); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q %+v:\n got %s\nwant %s", c.reason, c.environ, c.flags, got, c.want)
		}
	}
}

func TestUnknownNames(t *testing.T) {
	for _, c := range []struct{ reason, variable, want string }{
		{"a missing letter", "HOOKFERRY_ADR=:80", "HOOKFERRY_ADR is not a setting: did you mean HOOKFERRY_ADDR? Rename it, or remove it."},
		{"swapped", "WEBHOOK_TIMEUOT=1s", "WEBHOOK_TIMEUOT is not a setting: did you mean WEBHOOK_TIMEOUT? Rename it, or if another program uses it, also set WEBHOOK_TIMEOUT."},
		{"an extra letter", "WEBHOOK_MAXX_RETRIES=1", "WEBHOOK_MAXX_RETRIES is not a setting: did you mean WEBHOOK_MAX_RETRIES? Rename it, or if another program uses it, also set WEBHOOK_MAX_RETRIES."},
		{"the other prefix", "HOOKFERRY_TIMEOUT=1s", "HOOKFERRY_TIMEOUT is not a setting: did you mean WEBHOOK_TIMEOUT? Rename it, or remove it."},
		{"an unneeded prefix", "HOOKFERRY_LOG_LEVEL=info", "HOOKFERRY_LOG_LEVEL is not a setting: did you mean LOG_LEVEL? Rename it, or remove it."},
		{"_FILE for a setting that is not secret", "HOOKFERRY_DATA_FILE=/x", "HOOKFERRY_DATA_FILE is not a setting: remove it. `hookferry config` lists all settings."},
		{"a typo in the name of a secret's file", "HOOKFERRY_APIKEY_FILE=/x", "HOOKFERRY_APIKEY_FILE is not a setting: did you mean HOOKFERRY_API_KEY_FILE? Rename it, or remove it."},
		{"a typo with an empty value", "HOOKFERRY_ADR=", "HOOKFERRY_ADR is not a setting: did you mean HOOKFERRY_ADDR? Rename it, or remove it."},
		{"a port, not from Kubernetes", "HOOKFERRY_PORT=8000", "HOOKFERRY_PORT is not a setting: did you mean HOOKFERRY_ADDR=:8000? Rename it, or remove it."},
		{"only the prefix", "HOOKFERRY_=1", "HOOKFERRY_ is not a setting: remove it. `hookferry config` lists all settings."},

		{"a variable of another program", "HOME=/root", ""},
		{"a similar variable of another program", "LOGLEVEL=1", ""},
		{"no prefix", "MY_WEBHOOK_TIMEOUT=soon", ""},
		{"not a variable", "HOOKFERRY_NONSENSE", ""},
		{"Kubernetes", "HOOKFERRY_SERVICE_HOST=10.0.0.1", ""},
		{"Kubernetes", "HOOKFERRY_SERVICE_PORT=8000", ""},
		{"Kubernetes, a named port", "HOOKFERRY_SERVICE_PORT_HTTP=8000", ""},
		{"Kubernetes", "HOOKFERRY_PORT=tcp://10.0.0.1:8000", ""},
		{"Kubernetes", "HOOKFERRY_PORT_8000_TCP=tcp://10.0.0.1:8000", ""},
		{"Kubernetes", "HOOKFERRY_PORT_8000_TCP_ADDR=10.0.0.1", ""},
		{"Kubernetes", "HOOKFERRY_PORT_8000_TCP_PROTO=tcp", ""},
		{"Kubernetes, a service of another name", "WEBHOOK_RECEIVER_PORT_9000_UDP_PORT=9000", ""},
	} {
		got := ""
		if _, err := Load([]string{c.variable}, "", Overrides{}); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %s:\n got %s\nwant %s", c.reason, c.variable, got, c.want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "abc", 0},
		{"abc", "abd", 1},
		{"abc", "ab", 1},
		{"abc", "xabc", 1},
		{"kitten", "sitting", 3},
		{"flaw", "lawn", 2},
		{"level", "levle", 1},
		{"ab", "ba", 1},
	} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("editDistance(%q, %q) is %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestUnusableSecretFiles(t *testing.T) {
	directory := t.TempDir()
	for _, c := range []struct {
		reason, variable string
		want             string
	}{
		{
			"not there", "HOOKFERRY_API_KEY_FILE=" + filepath.Join(directory, "pw-hunter2"),
			"HOOKFERRY_API_KEY_FILE names a file that can't be read: no such file or directory. Write the path of the file that contains the value.",
		},
		{
			"a directory", "HOOKFERRY_API_KEY_FILE=" + directory,
			"HOOKFERRY_API_KEY_FILE names a file that can't be read: is a directory. Write the path of the file that contains the value.",
		},
		{
			"the secret itself", "DATABASE_URL_FILE=postgres://u:pw-hunter2@db/x",
			"DATABASE_URL_FILE names a file that can't be read: no such file or directory. Write the path of the file that contains the value.",
		},
		{
			"empty", "HOOKFERRY_API_KEY_FILE=" + write(t, "key", " \n"),
			"HOOKFERRY_API_KEY_FILE names an empty file: write the value into the file, or remove the setting.",
		},
		{
			"endless", "HOOKFERRY_API_KEY_FILE=/dev/zero",
			"HOOKFERRY_API_KEY_FILE names a file that can't be read: it is larger than 1MiB. Write the path of the file that contains the value.",
		},
		{
			"a bad value in it", "HOOKFERRY_API_KEY_FILE=" + write(t, "key", "pw-hunter2"),
			"The file of HOOKFERRY_API_KEY_FILE has a value that is 10 characters long: use 16 to 512, for example the output of `openssl rand -hex 32`.",
		},
		{
			"no Redis", "REDIS_URL_FILE=" + write(t, "url", "http://:pw-hunter2@r"),
			"The file of REDIS_URL_FILE has a value that is not a Redis URL: write redis://host:6379, or rediss://host:6379 for TLS.",
		},
	} {
		_, err := Load([]string{c.variable}, "", Overrides{})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.reason, err, c.want)
		}
	}
	_, err := Load([]string{"HOOKFERRY_API_KEY=0123456789abcdef", "HOOKFERRY_API_KEY_FILE=/x"}, "", Overrides{})
	if want := "HOOKFERRY_API_KEY and HOOKFERRY_API_KEY_FILE are both set: keep one of them."; err == nil || err.Error() != want {
		t.Errorf("both:\n got %v\nwant %s", err, want)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	dotEnv := "WEBHOOK_TIMEOUT=soon\nHOOKFERRY_DAT=x\n"
	if err := os.WriteFile(".env", []byte(dotEnv), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load([]string{"LOG_LEVEL=loud", "WEBHOOK_RETRY_DELAY=1", "WEBHOOK_RETRY_SCHEDULE=1s"}, ".env", Overrides{Addr: "x"})
	want := "5 settings are wrong:\n" +
		"- HOOKFERRY_DAT (.env, line 2) is not a setting: did you mean HOOKFERRY_DATA? Rename it, or remove it.\n" +
		`- WEBHOOK_TIMEOUT (.env, line 1) is "soon", which is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds.` + "\n" +
		`- --addr is "x", which is not an address to listen on: write it like :8000 (all networks), 127.0.0.1:8000 or [::1]:8000.` + "\n" +
		`- LOG_LEVEL is "loud", which is not one of the choices: write DEBUG, INFO, WARN or ERROR.` + "\n" +
		"- WEBHOOK_RETRY_DELAY and WEBHOOK_RETRY_SCHEDULE are both set, but only one of them can set the retry delays: remove one."
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if faults, ok := errors.AsType[Faults](err); !ok || len(faults) != 5 {
		t.Errorf("the error is a %T, want 5 Faults", err)
	}
}

// TestNoContradictionWithFaultySettings: comparing the default of a faulty setting would mislead
// the reader.
func TestNoContradictionWithFaultySettings(t *testing.T) {
	long := []string{"WEBHOOK_RETRY_SCHEDULE=100h", "WEBHOOK_MAX_RETRIES=1"}
	if _, err := Load(append(long, "LOG_RETENTION=200x"), "", Overrides{}); err == nil || strings.Contains(err.Error(), "retries of a delivery take") {
		t.Errorf("a bad retention: %v", err)
	}
	if _, err := Load(long, write(t, ".env", "LOG_RETENTION='200h\n"), Overrides{}); err == nil || strings.Contains(err.Error(), "retries of a delivery take") {
		t.Errorf("a retention in a line that can't be read: %v", err)
	}
}

func TestEachFaultIsASentence(t *testing.T) {
	var environ []string
	for _, d := range declarations(&Config{}) {
		environ = append(environ, d.name+"=\x00 pw-hunter2")
	}
	_, err := Load(environ, write(t, ".env", "nonsense\n"), Overrides{})
	faults, _ := errors.AsType[Faults](err)
	if want := len(environ) + 1; len(faults) != want { // the .env file adds one
		t.Errorf("%d faults, want %d: %v", len(faults), want, err)
	}
	for _, fault := range faults {
		if !strings.HasSuffix(fault, ".") || strings.Contains(fault, "\x00") {
			t.Errorf("%q is not a sentence", fault)
		}
	}
}

// TestNoWordsOfGo: faults are in our own words, whatever the value and the setting.
func TestNoWordsOfGo(t *testing.T) {
	foreign := regexp.MustCompile(`strconv\.|dial tcp|lookup |missing port|too many colons|no such host|invalid URL|x509:|invalid syntax|invalid argument|parse "|time: |netip\.|ParseAddr|unexpected EOF|base64|hex:`)
	for _, d := range declarations(&Config{}) {
		for _, value := range []string{
			"rubbish", "-1", "1.5", "99999999999999999999", "1e9", "10 s", "10s;30s", "10s 30s", "[10,30]", "\x00", "é", "\xff", "a:b:c", ":http", "[::1", "127.0.0.1:99999",
			"http://h:x", "http://u:p@h:%zz", "http://[::1", "://", "postgres://h:port/x", "postgres://%zz", "postgres://u:p@h:1:2/x", "redis://h:6379/%zz", "redis://:", "sqlite://?",
			"10.0.0.0/33", "10.0.0.0/x", "1-2-3", "true1", strings.Repeat("9", 1000), "0x10", "+5", "1_000", "1.2.3.4.5", "AAAA,BBBB", "==", "~/x",
		} {
			_, err := Load([]string{d.name + "=" + value}, "", Overrides{})
			if err == nil {
				continue
			}
			said := strings.ReplaceAll(strings.ReplaceAll(err.Error(), "base64 or hex", ""), "openssl rand -base64", "")
			if found := foreign.FindString(said); found != "" || !strings.HasSuffix(err.Error(), ".") {
				t.Errorf("%s=%.40q contains %q, or is no sentence: %v", d.name, value, found, err)
			}
		}
	}
}
