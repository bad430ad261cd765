package cli_test

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/cli"
)

// keys runs `hookferry keys` on a directory.
func keys(t *testing.T, dir string, args ...string) (status int, out, errOut string) {
	t.Helper()
	var said, errs bytes.Buffer
	status = cli.Run(t.Context(), append(append([]string{"keys"}, args...), "--data", dir), strings.NewReader(""), &said, &errs)
	return status, said.String(), errs.String()
}

func TestKeysHaveScopeAndExpiry(t *testing.T) {
	t.Chdir(t.TempDir()) // no .env
	dir := t.TempDir()
	for _, c := range []struct {
		why    string
		args   []string
		status int
		said   string // a pattern for the output on standard error
	}{
		{"only a name", []string{"operator"}, 0, `the key "operator", [0-9a-f-]{36}, with the scope admin; it never expires`},
		{"a scope and a duration", []string{"billing", "--scope", "publish", "--expires", "90d"}, 0, `with the scope publish; it expires at \d{4}-\d\d-\d\dT`},
		{"a day", []string{"support", "--scope", "read", "--expires", "2099-01-31"}, 0, `with the scope read; it expires at 2099-01-31T00:00:00Z`},
		{"bound to a tenant", []string{"shop", "--scope", "publish", "--tenant", "default"}, 0, `with the scope publish for the tenant default; it never expires`},
		{"a tenant that does not exist", []string{"x", "--tenant", "nobody"}, 1, `there is no tenant "nobody"; .hookferry tenants put nobody. creates it`},
		{"an invalid tenant", []string{"x", "--tenant", "a b"}, 1, `the id of the tenant is "a b"; only the characters`},
		{"an unknown scope", []string{"x", "--scope", "write"}, 1, `"write" is not a scope; use admin, publish or read`},
		{"no scope", []string{"x", "--scope", ""}, 1, `use admin, publish or read`},
		{"a day in the past", []string{"x", "--expires", "2020-01-31"}, 1, `2020-01-31.*in the past`},
		{"a number without a unit", []string{"x", "--expires", "90"}, 1, `90.*90d or 12h`},
		{"no name", nil, 2, `NAME`},
		{"an empty name", []string{""}, 1, `the name of a key must have 1 to 100 characters`},
	} {
		status, out, said := keys(t, dir, append([]string{"create"}, c.args...)...)
		if status != c.status || !regexp.MustCompile(c.said).MatchString(said) {
			t.Errorf("%s: ends with %d and %q, want %d and %s", c.why, status, said, c.status, c.said)
		}
		if made := regexp.MustCompile(`^hf_[\w-]{43}\n$`).MatchString(out); made != (c.status == 0) {
			t.Errorf("%s: prints %q", c.why, out)
		}
	}

	status, out, _ := keys(t, dir, "list")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if status != 0 || len(lines) != 5 || strings.Join(strings.Fields(lines[0]), " ") != "ID NAME SCOPE TENANT BEGINS WITH CREATED EXPIRES REVOKED LAST USED" {
		t.Fatalf("the list ends with %d:\n%s", status, out)
	}
	for i, want := range []string{
		`"operator" admin - hf_\S{7} \S+Z - - -`, `"billing" publish - hf_\S{7} \S+Z \S+Z - -`, `"support" read - hf_\S{7} \S+Z 2099-01-31T00:00:00Z - -`,
		`"shop" publish default hf_\S{7} \S+Z - - -`,
	} {
		if line := strings.Join(strings.Fields(lines[i+1])[1:], " "); !regexp.MustCompile("^" + want + "$").MatchString(line) {
			t.Errorf("line %d of the list is %q, want %s", i+1, line, want)
		}
	}
	if status, _, _ := keys(t, dir, "revoke", strings.Fields(lines[1])[0]); status != 0 {
		t.Errorf("revoke ends with %d", status)
	}
	if _, out, _ := keys(t, dir, "list"); !regexp.MustCompile(`"operator"\s+admin\s+-\s+\S+\s+\S+Z\s+-\s+\S+Z`).MatchString(out) {
		t.Errorf("the revoked key is not shown as such:\n%s", out)
	}
}

func TestRotateMasterSaysWhatItDid(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := t.TempDir()
	t.Setenv("HOOKFERRY_MASTER_KEY", "")
	if status, _, said := keys(t, dir, "rotate-master"); status != 1 || !strings.Contains(said, "HOOKFERRY_MASTER_KEY is not set") {
		t.Errorf("without a key it ends with %d: %s", status, said)
	}
	if status, _, said := keys(t, dir, "create", "operator"); status != 0 { // this creates the database
		t.Fatal(said)
	}
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32))
	t.Setenv("HOOKFERRY_MASTER_KEY", key)
	status, out, said := keys(t, dir, "rotate-master")
	if status != 0 || !strings.Contains(out, "encrypted the secrets of 0 subscription(s) with the master key") || strings.Contains(out+said, key) {
		t.Errorf("it ends with %d: %s%s", status, out, said)
	}
	t.Setenv("HOOKFERRY_MASTER_KEY", key[1:])
	if status, _, said := keys(t, dir, "rotate-master"); status == 0 || !strings.Contains(said, "HOOKFERRY_MASTER_KEY") || strings.Contains(said, key[1:]) {
		t.Errorf("with a bad key it ends with %d: %s", status, said)
	}
}
