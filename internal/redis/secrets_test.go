package redis

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/test/await"
)

// A server that refuses the login counts as down. The log must say why, without the password.
func TestNoSecretInAFailure(t *testing.T) {
	t.Parallel()
	server := own(t, "requirepass right")
	n := connect(t, strings.Replace(server.URL(), "right", "hidden-word", 1))
	n.wantFailure(t, "WRONGPASS")
	await.NoError(t, func() error { return loggedOnce(n, "Redis can't be used") })
	if all := n.log.String() + fmt.Sprint(n.Failure()); strings.Contains(all, "hidden-word") {
		t.Errorf("the log is %s", all)
	}
	up(t, server.URL())
}

func TestNoSecretInAWrongURL(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ why, url string }{
		{"a character that ends the host", "redis://user:hid#den-word@host:6379/0"},
		{"another", "redis://user:hid/den-word@host:6379/0"},
		{"a third", "redis://user:1/hidden-word@host:6379/0"},
		{"one that begins the options", "redis://user:hid?den-word@host:6379/0"},
		{"the same after a number", "redis://user:1?hidden-word=x@host:6379/0"},
		{"an invalid escape", "redis://user:%zzhidden-word@host:6379/0"},
		{"no host", "redis://:hidden-word"},
		{"another scheme", "amqp://user:hidden-word@host:6379/0"},
		{"a database that is not a number", "redis://user:hidden-word@host:6379/x"},
		{"an option that does not exist", "redis://user:hidden-word@host:6379/0?nonsense=1"},
		{"the same for Sentinel", "redis://user:hidden-word@host:6379/0?master_name=x&password=hidden-word&nonsense=1"},
		{"the same for a cluster", "redis://user:hidden-word@host:6379/0?addr=host:1&nonsense=1"},
		{"an address without a port", "redis://user:hidden-word@host:6379/0?addr=host"},
		{"nothing", ""},
	} {
		_, err := Open(Options{URL: row.url})
		if err == nil {
			t.Errorf("%s: it was accepted", row.why)
			continue
		}
		for _, part := range []string{"hid", "den-word"} {
			if strings.Contains(strings.ReplaceAll(err.Error(), "invalid", ""), part) {
				t.Errorf("%s: %v", row.why, err)
			}
		}
		if !strings.Contains(err.Error(), "REDIS_URL") {
			t.Errorf("%s: it does not say what to change: %v", row.why, err)
		}
	}
}
