package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// Engine is a kind of database.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Database says where everything is kept.
type Database struct {
	Engine Engine
	Path   string       // the file of SQLite
	URL    event.Secret // of any other engine: it may hold a password
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
	if begin := startsWith(text); begin != "" {
		return Database{}, fmt.Errorf("begins with %q, which is no database that Hookferry knows: %w", begin, errNoDatabase)
	}
	return Database{}, fmt.Errorf("is not a URL: %w", errNoDatabase)
}

// These end a phrase about what was found instead.
var (
	errNoDatabase = errors.New("write postgres://user@host/name, or sqlite://path like sqlite:///var/lib/hooks.db")
	errNotSQLite  = errors.New("write sqlite://path, like sqlite://hooks.db or sqlite:///var/lib/hooks.db")
)

// parseSQLite takes the path as it stands: nothing in it is an escape or an option.
func parseSQLite(text string) (Database, error) {
	path, err := parsePath(text)
	switch {
	case err != nil:
		return Database{}, err
	case path == "" || strings.HasSuffix(path, "/"):
		return Database{}, fmt.Errorf("names no file: %w", errNotSQLite)
	case strings.Contains(path, ":memory:"):
		return Database{}, errors.New("names a database in memory, which loses events when the service stops: name a file")
	case strings.Contains(path, "?"):
		return Database{}, errors.New("has options after a question mark: write the path alone, Hookferry sets what it needs itself")
	}
	return Database{Engine: SQLite, Path: path}, nil
}

// String is the database's URL without what is secret in it.
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

// parseRedis leaves to the client what its options mean.
func parseRedis(text string) (event.Secret, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	if scheme = strings.ToLower(scheme); scheme != "redis" && scheme != "rediss" || rest == "" {
		return "", errors.New("is not the address of a Redis: write redis://host:6379, or rediss://host:6379 with TLS")
	}
	if _, err := parseCredentialURL(text); err != nil {
		return "", err
	}
	return event.Secret(text), nil
}

// redact shows where a URL leads, and hides the user (it may be a password, or a token), the
// password and the options (which may hold another).
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
