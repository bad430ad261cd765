package config

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// errAmbiguous ends a phrase about a URL that can be split into parts in more than one way. A
// driver would choose one of them, and its errors might then repeat a part of the password as a
// host.
var errAmbiguous = errors.New("is an ambiguous URL: the port must be a number, and some characters in a user name, a password or an option must be " +
	"percent-encoded: write %40 for @, %3A for :, %2F for a slash, %5C for a backslash, %3F for ?, %23 for #, %25 for %, %5B and %5D for brackets, and %20 for a space")

// parseCredentialURL parses a URL that may contain a password. It fails if the URL is ambiguous.
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

// knownScheme returns the scheme of a URL if it is a well-known one, and "" otherwise: a secret in
// the wrong setting may look like a scheme.
func knownScheme(text string) string {
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
