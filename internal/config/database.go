package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// Engine is a kind of database.
type Engine string

// The database engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Database says which database stores all data.
type Database struct {
	Engine Engine
	Path   string       // the SQLite file
	URL    event.Secret // of PostgreSQL; it may contain a password
}

func databaseOf(field *Database) value { return bind(field, parseDatabase, Database.String) }

// ParseDatabase reads the address of a database. Its error is a phrase about the text, which it does
// not repeat: there may be a password in it.
func ParseDatabase(text string) (Database, error) { return parseDatabase(text) }

func parseDatabase(text string) (Database, error) {
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case !found:
		return Database{}, fmt.Errorf("is not a URL: %w", errNoDatabase)
	case strings.EqualFold(scheme, "sqlite"):
		return parseSQLite(rest)
	case strings.EqualFold(scheme, "postgres"), strings.EqualFold(scheme, "postgresql"):
		if _, err := parseCredentialURL(text); err != nil {
			return Database{}, err
		}
		return Database{Engine: Postgres, URL: event.Secret(text)}, nil
	}
	if begin := knownScheme(text); begin != "" {
		return Database{}, fmt.Errorf("begins with %q, which is not a database that Hookferry supports: %w", begin, errNoDatabase)
	}
	return Database{}, fmt.Errorf("is not a URL: %w", errNoDatabase)
}

// These errors end a phrase that says what was found instead.
var (
	errNoDatabase = errors.New("write postgres://user@host/name, or sqlite://path like sqlite:///var/lib/hooks.db")
	errNotSQLite  = errors.New("write sqlite://path, like sqlite://hooks.db or sqlite:///var/lib/hooks.db")
)

// parseSQLite takes the path as it is, without escapes or options.
func parseSQLite(text string) (Database, error) {
	path, err := parsePath(text)
	switch {
	case err != nil:
		return Database{}, err
	case path == "" || strings.HasSuffix(path, "/"):
		return Database{}, fmt.Errorf("does not name a file: %w", errNotSQLite)
	case strings.Contains(path, ":memory:"):
		return Database{}, errors.New("names a database in memory, which loses events when the service stops: name a file")
	case strings.Contains(path, "?"):
		return Database{}, errors.New("has options after a question mark: write only the path, because Hookferry sets all options itself")
	}
	return Database{Engine: SQLite, Path: path}, nil
}

// String returns the database's URL without secrets.
func (d Database) String() string {
	switch d.Engine {
	case "":
		return ""
	case SQLite:
		return "sqlite://" + d.Path
	}
	return redact(d.URL)
}

func redisOf(field *event.Secret) value { return bind(field, parseRedis, redact) }

// parseRedis does not check the options. The Redis client does.
func parseRedis(text string) (event.Secret, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	if scheme = strings.ToLower(scheme); scheme != "redis" && scheme != "rediss" || rest == "" {
		return "", errors.New("is not a Redis URL: write redis://host:6379, or rediss://host:6379 for TLS")
	}
	if _, err := parseCredentialURL(text); err != nil {
		return "", err
	}
	return event.Secret(text), nil
}

// redact shows the host and path of a URL. It hides the user name, which may be a password or a
// token, the password, and the options, which may contain another password.
func redact(text event.Secret) string {
	u, err := parseCredentialURL(string(text))
	if err != nil || u.Host == "" && u.RawQuery == "" {
		return hide(text)
	}
	shown := u.Scheme + "://"
	if u.User != nil {
		shown += hide("user and password") + "@"
	}
	shown += u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		shown += "?" + hide("options")
	}
	return shown
}
