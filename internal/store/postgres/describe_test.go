package postgres_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
)

// TestAddressesThatTheDriverRefuses checks that errors do not contain parts of the password.
func TestAddressesThatTheDriverRefuses(t *testing.T) {
	for _, tt := range []struct{ why, url, want string }{
		{"characters of a password that end it", "postgres://u:p@SEKRET#w%rd@127.0.0.1:1/x", "in the password write"},
		{"a mode that does not exist", "postgres://u:SEKRET@h/x?sslmode=SEKRET", "disable, allow, prefer"},
		{"no number", "postgres://u:SEKRET@h/x?connect_timeout=SEKRET", "number of seconds"},
		{"no attribute", "postgres://u:SEKRET@h/x?target_session_attrs=SEKRET", "read-write"},
		{"no port", "postgres://u:SEKRET@h:99999/x", "a port must be a number"},
		{"no file", "postgres://u:SEKRET@h/x?sslmode=verify-full&sslrootcert=/SEKRET", "can't be read: it does not exist"},
		{"half a certificate", "postgres://u:SEKRET@h/x?sslmode=require&sslcert=/SEKRET", "must be set together"},
		{"keywords", "host=h password='SEKRET", "in the password write"},
		{"a pool of SEKRET", "postgres://u:SEKRET@h/x?pool_max_conns=SEKRET", "check its options"},
		{"a file that is no certificate", "postgres://u:SEKRET@h/x?sslmode=verify-full&sslrootcert=/dev/null", "PEM file"},
	} {
		_, err := postgres.Open(t.Context(), postgres.Options{URL: tt.url})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "SEKRET") {
			t.Errorf("%s: %v, want %q and no part of the password", tt.why, err, tt.want)
		}
	}
}

// TestConnectionsThatFail checks that errors contain neither the user nor Go's messages.
func TestConnectionsThatFail(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	role := server.URL("postgres") // it accepts every login
	at := role[strings.Index(role, "@")+1:]
	for _, tt := range []struct{ why, url, want string }{
		{"nothing listens", "postgres://SEKRET:SEKRET@127.0.0.1:1/SEKRET", "PostgreSQL at 127.0.0.1:1: nothing listens there"},
		{"two hosts", "postgres://SEKRET:SEKRET@127.0.0.1:1,127.0.0.1:2/SEKRET", "PostgreSQL at 127.0.0.1:1 and 127.0.0.1:2: nothing listens there"},
		{"a name that does not exist", "postgres://SEKRET:SEKRET@nohost.invalid/SEKRET", "nohost.invalid:5432: "},
		{"no PostgreSQL", "postgres://SEKRET:SEKRET@" + l.Addr().String() + "/SEKRET?sslmode=disable", "closed"},
		{"no such role", "postgres://SEKRET:SEKRET@" + at, "does not allow this user"},
		{"no such database", strings.Replace(role, "/postgres?", "/SEKRET?", 1), "it has no database of that name"},
		{"no TLS", strings.Replace(role, "sslmode=disable", "sslmode=require", 1), "it does not support TLS"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		_, err := postgres.Open(ctx, postgres.Options{URL: tt.url})
		_, migrations := postgres.Migrations(ctx, tt.url)
		cancel()
		for _, err := range []error{err, migrations} {
			if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, event.ErrUnavailable) {
				t.Errorf("%s: %v, want %q", tt.why, err, tt.want)
				continue
			}
			for _, foreign := range []string{"SEKRET", "dial", "tcp", "lookup", "FATAL", "EOF"} {
				if strings.Contains(err.Error(), foreign) {
					t.Errorf("%s: %v contains %q", tt.why, err, foreign)
				}
			}
		}
	}
}
