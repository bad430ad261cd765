package config

import "slices"

// guess lists names that people may try for a setting without looking it up.
type guess struct {
	setting string
	stems   []string // with the prefix HOOKFERRY_ or WEBHOOK_
	bare    []string // without a prefix
}

func guesses() []guess {
	return []guess{
		{"DATABASE_URL", []string{"DATABASE", "DB", "DB_URL", "DSN", "DATABASE_DSN", "POSTGRES", "POSTGRES_URL", "PG_URL"}, []string{"DB_URL", "POSTGRES_URL", "POSTGRESQL_URL", "PG_URL", "DATABASE_DSN"}},
		{"REDIS_URL", []string{"REDIS", "REDIS_ADDR"}, nil},
		{"LOG_RETENTION", []string{"RETENTION", "RETENTION_PERIOD", "KEEP"}, nil},
		{"LOG_LEVEL", []string{"LOGLEVEL", "LEVEL"}, nil},
		{"WEBHOOK_MAX_RETRIES", []string{"RETRIES", "RETRY_COUNT", "RETRY_LIMIT", "RETRY_MAX", "MAX_RETRY", "ATTEMPTS", "MAX_ATTEMPTS"}, nil},
		{"WEBHOOK_RETRY_SCHEDULE", []string{"SCHEDULE", "RETRY_DELAYS", "RETRY_INTERVALS", "BACKOFF", "RETRY_BACKOFF"}, nil},
		{"WEBHOOK_TIMEOUT", []string{"REQUEST_TIMEOUT", "TIMEOUT_SECONDS", "HTTP_TIMEOUT"}, nil},
		{"HOOKFERRY_ADDR", []string{"PORT", "HOST", "BIND", "LISTEN", "LISTEN_ADDR", "HTTP_ADDR", "HTTP_PORT"}, []string{"PORT"}},
		{"HOOKFERRY_ADMIN_ADDR", []string{"METRICS_ADDR", "ADMIN_PORT", "METRICS_PORT"}, nil},
		{"HOOKFERRY_DATA", []string{"DATA_DIR", "DATADIR", "DIR", "DATA_PATH"}, nil},
		{"HOOKFERRY_API_KEY", []string{"KEY", "TOKEN", "API_TOKEN", "ADMIN_KEY"}, nil},
		{"HOOKFERRY_MASTER_KEY", []string{"ENCRYPTION_KEY", "SECRET_KEY", "SEAL_KEY"}, nil},
		{"HOOKFERRY_MAX_BODY", []string{"MAX_BODY_SIZE", "BODY_LIMIT", "MAX_PAYLOAD"}, nil},
		{"HOOKFERRY_MAX_IN_FLIGHT", []string{"CONCURRENCY", "MAX_CONCURRENCY"}, nil},
		{"HOOKFERRY_SHUTDOWN_GRACE", []string{"GRACE", "SHUTDOWN_TIMEOUT"}, nil},
		{"HOOKFERRY_ALLOW_TARGETS", []string{"ALLOWLIST", "ALLOWED_TARGETS", "ALLOW_LIST"}, nil},
		{"HOOKFERRY_PROXY", []string{"HTTP_PROXY", "HTTPS_PROXY"}, nil},
		{"HOOKFERRY_ROLE", []string{"MODE"}, nil},
	}
}

// guessed returns the setting that a name probably means.
func guessed(name string) (setting string, isGuess bool) {
	prefix, stem := cutPrefix(name)
	for _, g := range guesses() {
		if prefix != "" && slices.Contains(g.stems, stem) || prefix == "" && slices.Contains(g.bare, name) {
			return g.setting, true
		}
	}
	return "", false
}
