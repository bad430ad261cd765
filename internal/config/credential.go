package config

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// errAmbiguous ends a phrase about a URL whose parts can't be told apart for certain. A driver
// would take it apart somehow, and its errors would then repeat a piece of the password as a host.
var errAmbiguous = errors.New("can't be read as a URL in one way alone: the port must be a number, and in a user name, a password and an option some characters must be " +
	"percent-encoded: write %40 for @, %3A for :, %2F for a slash, %5C for a backslash, %3F for ?, %23 for #, %25 for %, %5B and %5D for brackets, and %20 for a space")

// parseCredentialURL reads a URL that may hold a password, if there is one way alone to read it.
// Its error repeats nothing of the text.
func parseCredentialURL(text string) (*url.URL, error) {
	_, rest, _ := strings.Cut(text, "://")
	authority, behind := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, behind = rest[:i], rest[i:]
	}
	if strings.Count(authority, "@") > 1 || strings.ContainsAny(behind, "@#") || strings.Contains(text, `\`) {
		return nil, errAmbiguous
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errAmbiguous
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return nil, errAmbiguous
	}
	return u, nil
}

// startsWith names what a URL begins with, if that is a name that many know, and "" for others: a
// secret in the wrong setting may look like a scheme.
func startsWith(text string) string {
	scheme, _, _ := strings.Cut(text, "://")
	known := []string{
		"amqp", "file", "ftp", "http", "https", "jdbc", "mariadb", "mongodb", "mssql", "mysql", "oracle", "postgres", "postgresql",
		"redis", "rediss", "socks", "socks4", "socks5", "socks5h", "sqlite", "sqlite3", "sqlserver", "tcp", "tls", "unix", "valkey",
	}
	if scheme = strings.ToLower(scheme); slices.Contains(known, scheme) {
		return scheme + "://"
	}
	return ""
}
