package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hookferry/hookferry/internal/reason"
)

// describedError is an error with another message.
type describedError struct {
	text string
	error
}

func (w *describedError) Error() string { return w.text }
func (w *describedError) Unwrap() error { return w.error }

// describe replaces the message of a connection error, because the message of pgx contains the user
// name, and as the host it may contain a part of the password.
func describe(err error) error {
	if connect, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return &describedError{"PostgreSQL at " + addresses(connect.Config) + ": " + whyUnreachable(err), err}
	}
	if clause, known := reason.Known(err); known && sqlState(err) == "" {
		return &describedError{clause, err}
	}
	return err
}

// addresses lists all hosts that were tried.
func addresses(c *pgconn.Config) string {
	hosts := []string{address(c.Host, c.Port)}
	for _, f := range c.Fallbacks {
		hosts = append(hosts, address(f.Host, f.Port))
	}
	slices.Sort(hosts)
	return strings.Join(slices.Compact(hosts), " and ")
}

func address(host string, port uint16) string {
	if strings.HasPrefix(host, "/") {
		return host // the directory of a socket
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func whyUnreachable(err error) string {
	switch state := sqlState(err); {
	case state == "28P01":
		return "it refuses the user name or the password"
	case state == "28000":
		return "it does not allow this user to log in from here, or without TLS: check pg_hba.conf and the role"
	case state == "3D000":
		return "it has no database of that name"
	case state == "53300":
		return "it has no connections left: raise max_connections, or run fewer nodes"
	case state == "57P03":
		return "it is starting, stopping or recovering"
	case state != "":
		return "it refuses the connection with SQLSTATE " + state
	case strings.Contains(err.Error(), "server refused TLS"):
		return "it does not support TLS: use sslmode=prefer to connect without"
	}
	return reason.Of(err)
}

// addressError says what is wrong with an invalid address. It does not quote the error of pgx,
// which may contain a part of the password.
func addressError(err error) error {
	const setting = "the address of the database (DATABASE_URL, DATABASE_READ_URL or a PG… variable) can't be used"
	text := err.Error()
	_, isFile := errors.AsType[*fs.PathError](err)
	switch {
	case isFile:
		return fmt.Errorf("%s: a file that it names (sslrootcert, sslcert or sslkey) can't be read: %s", setting, reason.Of(err))
	case strings.Contains(text, "sslmode is invalid"):
		return fmt.Errorf("%s: sslmode must be disable, allow, prefer, require, verify-ca or verify-full", setting)
	case strings.Contains(text, "invalid connect_timeout"):
		return fmt.Errorf("%s: connect_timeout must be a number of seconds", setting)
	case strings.Contains(text, "target_session_attrs"):
		return fmt.Errorf("%s: target_session_attrs must be any, read-write, read-only, primary, standby or prefer-standby", setting)
	case strings.Contains(text, "invalid port"), strings.Contains(text, "port numbers"):
		return fmt.Errorf("%s: a port must be a number from 1 to 65535, and there must be one for all hosts or one for each", setting)
	case strings.Contains(text, "configure TLS"):
		return fmt.Errorf("%s: sslcert and sslkey must be set together, sslrootcert must be a PEM file, and sslpassword must open the key", setting)
	}
	return fmt.Errorf("%s: use postgres://user:password@host:5432/name, check its options (sslmode, pool_max_conns and so on), "+
		"and in the password write %%40 for @, %%2F for a slash, %%3F for ?, %%23 for # and %%25 for %%", setting)
}
