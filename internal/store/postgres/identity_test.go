package postgres_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/test/pgtest"
)

func identityOf(t *testing.T, url string) string {
	t.Helper()
	got, err := open(t, postgres.Options{URL: url}).Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestIdentityOfADatabase(t *testing.T) {
	t.Parallel()
	other, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Remove)
	url := server.Database(t, "")
	role := "plain_" + name(url)
	query[string](t, url, `CREATE ROLE `+role+` LOGIN`)
	query[string](t, url, `ALTER DATABASE `+name(url)+` OWNER TO `+role)
	plain := strings.Replace(url, "postgres@", role+"@", 1)

	id := identityOf(t, plain)
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(id) {
		t.Errorf("the identity is %q, want 16 digits in hex", id)
	}
	for what, way := range map[string]string{
		"once more":                identityOf(t, plain),
		"by several hosts":         identityOf(t, strings.Replace(plain, "@", "@127.0.0.1:1,", 1)),
		"without prepared queries": identityOf(t, plain+"&default_query_exec_mode=cache_describe"),
		"as the superuser":         identityOf(t, url),
	} {
		if way != id {
			t.Errorf("%s it is %s, want %s", what, way, id)
		}
	}
	if got := identityOf(t, server.Database(t, template)); got == id {
		t.Error("two databases of one server have the same identity")
	}
	if a, b := identityOf(t, server.URL("postgres")), identityOf(t, other.URL("postgres")); a == b {
		t.Error("two databases of the same name on two servers have the same identity")
	}

	query[string](t, url, `REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC`)
	a, b := identityOf(t, plain), identityOf(t, plain)
	if a != b || len(a) != len(id) || a == id {
		t.Errorf("without the right to read the system identifier: %q, then %q; want another identity that stays the same", a, b)
	}
}

// name returns the database's name in a URL.
func name(url string) string {
	_, path, _ := strings.Cut(strings.TrimPrefix(url, "postgres://"), "/")
	name, _, _ := strings.Cut(path, "?")
	return name
}
