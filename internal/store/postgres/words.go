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

// worded is an error with a text of ours instead of its own.
type worded struct {
	text string
	error
}

func (w *worded) Error() string { return w.text }
func (w *worded) Unwrap() error { return w.error }

// inWords gives an error of a connection a text of ours. The driver's names the user, and what it
// took for the host.
func inWords(err error) error {
	if connect, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return &worded{"PostgreSQL at " + addresses(connect.Config) + ": " + whyUnreachable(err), err}
	}
	if clause, known := reason.Known(err); known && sqlState(err) == "" {
		return &worded{clause, err}
	}
	return err
}

// addresses are all hosts that were tried.
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
		return "it lets nobody in by that user name, from here or without TLS: look at pg_hba.conf and at the role"
	case state == "3D000":
		return "it has no database of that name"
	case state == "53300":
		return "it has no connection left: raise max_connections, or run fewer nodes"
	case state == "57P03":
		return "it is starting, stopping or recovering"
	case state != "":
		return "it refuses the connection with SQLSTATE " + state
	case strings.Contains(err.Error(), "server refused TLS"):
		return "it does not speak TLS: sslmode=prefer goes without"
	}
	return reason.Of(err)
}

// addressFault says what is wrong with an address that the driver does not understand.
func addressFault(err error) error {
	const setting = "the address of the database (DATABASE_URL, DATABASE_READ_URL or a PG… variable) can't be used"
	text := err.Error() // looked at, and not repeated
	_, isFile := errors.AsType[*fs.PathError](err)
	switch {
	case isFile:
		return fmt.Errorf("%s: a file that it names (sslrootcert, sslcert, sslkey) can't be read: %s", setting, reason.Of(err))
	case strings.Contains(text, "sslmode is invalid"):
		return fmt.Errorf("%s: its sslmode is none of disable, allow, prefer, require, verify-ca and verify-full", setting)
	case strings.Contains(text, "invalid connect_timeout"):
		return fmt.Errorf("%s: its connect_timeout is not a number of seconds", setting)
	case strings.Contains(text, "target_session_attrs"):
		return fmt.Errorf("%s: its target_session_attrs is none of any, read-write, read-only, primary, standby and prefer-standby", setting)
	case strings.Contains(text, "invalid port"), strings.Contains(text, "port numbers"):
		return fmt.Errorf("%s: a port is a number from 1 to 65535, and there is one for each host or one for all", setting)
	case strings.Contains(text, "configure TLS"):
		return fmt.Errorf("%s: sslcert and sslkey belong together, sslrootcert is a PEM file, and sslpassword opens the key", setting)
	}
	return fmt.Errorf("%s: write postgres://user:password@host:5432/name, look at its options (sslmode, pool_max_conns and the like), "+
		"and percent-encode in the password %%40 for @, %%2F for a slash, %%3F for ?, %%23 for # and %%25 for %%", setting)
}
