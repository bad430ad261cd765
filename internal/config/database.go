package config

import (
	"errors"
	"fmt"
	"net/url"
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

func parseDatabase(text string) (Database, error) {
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case !found:
		return Database{}, fmt.Errorf("is not a URL: %w", errNoDatabase)
	case strings.EqualFold(scheme, "sqlite"):
		return parseSQLite(rest)
	case strings.EqualFold(scheme, "postgres"), strings.EqualFold(scheme, "postgresql"):
		return Database{Engine: Postgres, URL: event.Secret(text)}, nil
	}
	if strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return Database{}, fmt.Errorf("begins with %q, which is no database that Hookferry knows: %w", event.Clip(scheme, event.MaxQuoted)+"://", errNoDatabase)
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
	u, err := url.Parse(string(d.URL))
	if err != nil || u.Host == "" {
		return hide(d.URL) // who knows what is where in it
	}
	return redact(u)
}

func redisOf(field *event.Secret) value {
	return bind(field, parseRedis, func(text event.Secret) string {
		u, err := url.Parse(string(text))
		if err != nil || u.Host == "" {
			return hide(text)
		}
		return redact(u)
	})
}

// parseRedis looks at the beginning only: the client knows what else may be in it.
func parseRedis(text string) (event.Secret, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	if scheme = strings.ToLower(scheme); scheme != "redis" && scheme != "rediss" || rest == "" {
		return "", errors.New("is not the address of a Redis: write redis://host:6379, or rediss://host:6379 with TLS")
	}
	return event.Secret(text), nil
}

// redact shows where a URL leads, and hides the password, the options (which may
// hold another) and whatever else there is.
func redact(u *url.URL) string {
	if strings.Contains(u.Host+u.Path+u.RawQuery+u.Fragment, "@") {
		return hide("password") // one with a slash in it ends the host too early: any piece may be part of it
	}
	shown := u.Scheme + "://"
	if name := u.User.Username(); name != "" {
		shown += url.User(name).String()
	}
	if _, has := u.User.Password(); has {
		shown += ":" + hide("password")
	}
	if u.User != nil {
		shown += "@"
	}
	shown += u.Host + u.EscapedPath()
	if u.RawQuery != "" || u.Fragment != "" {
		shown += "?" + hide("options")
	}
	return shown
}
