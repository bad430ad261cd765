package config

import (
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Role says which nodes use a setting.
type Role string

// The roles.
const (
	RoleAll    Role = "all"
	RoleAPI    Role = "api"    // serves the API
	RoleWorker Role = "worker" // delivers
)

// declaration defines a setting.
type declaration struct {
	name       string
	flag       string // the flag that overrides it, or ""
	def        string // the default in the form of a value; "" for none
	devDef     string // the default with --dev; "" if it is the same
	defMeaning string // the default in words, if it is not a fixed value
	meaning    string // one sentence
	role       Role
	secret     bool // the value is never shown, and NAME_FILE may name a file that contains it
	emptyIsSet bool // an empty value has a meaning; for other settings it means the default
	value      value
}

func (d declaration) defaultFor(dev bool) string {
	if dev && d.devDef != "" {
		return d.devDef
	}
	return d.def
}

// declarations returns all settings, bound to the fields of c.
func declarations(c *Config) []declaration {
	return slices.Concat(c.storage(), c.delivery(), c.serving(), c.logging())
}

func (c *Config) storage() []declaration {
	return []declaration{
		{
			name: "HOOKFERRY_DATA", flag: "--data", def: "./data", role: RoleAll, value: pathOf(&c.Data),
			meaning: "Directory of the SQLite database.",
		},
		{
			name: "DATABASE_URL", defMeaning: "`hookferry.db` in `HOOKFERRY_DATA`", role: RoleAll, secret: true, value: databaseOf(&c.Database),
			meaning: "The database. `sqlite://hooks.db` is a file in the working directory, `sqlite:///var/lib/hooks.db` a file by its absolute path, `postgres://user@host/name` a PostgreSQL database that several nodes may share.",
		},
		{
			name: "DATABASE_READ_URL", role: RoleAPI, secret: true, value: databaseOf(&c.ReadDatabase),
			meaning: "A PostgreSQL read replica for status and list queries. If it does not respond, the primary is queried.",
		},
		{
			name: "REDIS_URL", role: RoleAll, secret: true, value: redisOf(&c.Redis),
			meaning: "Redis, which passes new deliveries from API nodes to workers and makes rate limits hold across all nodes. It may fail at any time, and no event is lost. Forms: `redis://host:6379/0`; `rediss://` for TLS; `?master_name=` for Sentinel, with Sentinel's user and password in front of the host and those of Redis in `&username=` and `&password=`; `?addr=host:port` once for each further node of a cluster.",
		},
		{
			name: "LOG_RETENTION", def: "72h", role: RoleAll, value: durationOf(&c.Retention, time.Hour, 3650*day),
			meaning: "How long settled deliveries are kept, with their events and attempts.",
		},
	}
}

func (c *Config) delivery() []declaration {
	return []declaration{
		{
			name: "WEBHOOK_MAX_RETRIES", def: "5", role: RoleWorker, value: countOf(&c.MaxRetries, 0, event.MaxRetries),
			meaning: "How many retries may follow the first attempt.",
		},
		{
			name: "WEBHOOK_RETRY_SCHEDULE", def: "10s,30s,60s,5m,15m", role: RoleWorker, value: scheduleOf(&c.RetrySchedule),
			meaning: "The delay before each retry. If `WEBHOOK_MAX_RETRIES` is set too, the schedule is truncated to that many retries, or extended by repeating its last delay.",
		},
		{
			name: "WEBHOOK_RETRY_DELAY", role: RoleWorker, value: delayOf(&c.RetryDelay),
			meaning: "The delay before the first retry, in seconds or as a duration; each further delay is twice as long as the one before. Use it instead of `WEBHOOK_RETRY_SCHEDULE`.",
		},
		{
			name: "WEBHOOK_TIMEOUT", def: "10s", role: RoleWorker, value: durationOf(&c.Timeout, 100*time.Millisecond, event.MaxTimeout),
			meaning: "How long an attempt may take, from the DNS lookup to the status line of the response.",
		},
		{
			name: "HOOKFERRY_ALLOW_TARGETS", devDef: "127.0.0.0/8,::1/128", role: RoleAll, emptyIsSet: true, value: allowedOf(&c.AllowTargets),
			meaning: "Networks (CIDR) and addresses that may be called although they are not public, separated by commas. `all` allows every address.",
		},
		{
			name: "HOOKFERRY_DENY_TARGETS", role: RoleAll, value: deniedOf(&c.DenyTargets),
			meaning: "Networks (CIDR) and addresses that are never called, even if they are public or listed in `HOOKFERRY_ALLOW_TARGETS`, separated by commas: for example, your own public addresses.",
		},
		{
			name: "HOOKFERRY_TARGET_PORTS", def: "all", role: RoleAll, value: portsOf(&c.TargetPorts),
			meaning: "The ports that may be called, separated by commas, like `80,443,1024-65535`.",
		},
		{
			name: "HOOKFERRY_REQUIRE_HTTPS", def: "false", role: RoleAll, value: switchOf(&c.RequireHTTPS),
			meaning: "Whether target URLs must begin with https://. If `true`, nothing more is delivered to existing subscriptions with an http:// URL.",
		},
		{
			name: "HOOKFERRY_PROXY", role: RoleWorker, secret: true, value: proxyOf(&c.Proxy),
			meaning: "An HTTP proxy for calls to endpoints, used with CONNECT: `http://proxy.internal:3128`, or `http://user:password@proxy.internal:3128`. `HTTP_PROXY` and similar variables are ignored.",
		},
		{
			name: "HOOKFERRY_TARGET_CA", role: RoleWorker, value: targetCAOf(&c.TargetCA),
			meaning: "A PEM file of certificate authorities to trust for calls to endpoints, in addition to the system's: for example, your own. It is read at startup.",
		},
		{
			name: "HOOKFERRY_MAX_IN_FLIGHT", def: "1024", role: RoleWorker, value: countOf(&c.MaxInFlight, 1, 100_000),
			meaning: "How many attempts a worker may have in flight at once. A quarter of them is reserved for endpoints that have few in flight.",
		},
		{
			name: "HOOKFERRY_LANE_IN_FLIGHT", def: "64", role: RoleWorker, value: countOf(&c.LaneInFlight, 1, event.MaxInFlight),
			meaning: "How many attempts a worker may have in flight at once to the endpoint of one subscription. `max_in_flight` of a subscription takes precedence.",
		},
	}
}

func (c *Config) serving() []declaration {
	return []declaration{
		{
			name: "HOOKFERRY_ROLE", flag: "--role", def: string(RoleAll), role: RoleAll, value: choiceOf(&c.Role, RoleAll, RoleAPI, RoleWorker),
			meaning: "What this process does: `api` accepts events and serves the API, `worker` delivers, `all` does both. `api` and `worker` need PostgreSQL.",
		},
		{
			name: "HOOKFERRY_ADDR", flag: "--addr", def: ":8000", devDef: "127.0.0.1:8000", role: RoleAll, value: addrOf(&c.Addr),
			meaning: "The address that the API listens on. A worker serves `/livez`, `/readyz` and `/health` there.",
		},
		{
			name: "HOOKFERRY_ADMIN_ADDR", flag: "--admin-addr", def: "127.0.0.1:8001", devDef: "127.0.0.1:0", role: RoleAll, emptyIsSet: true, value: adminAddrOf(&c.AdminAddr),
			meaning: "The address that serves `/metrics` and Go's profiles, without a key. `off` or an empty value turns them off; port 0 picks a free port, which the log names.",
		},
		{
			name: "HOOKFERRY_API_KEY", role: RoleAPI, secret: true, value: keyOf(&c.APIKey),
			meaning: "A first API key, for containers. `hookferry keys create` creates more.",
		},
		{
			name: "HOOKFERRY_MASTER_KEY", role: RoleAll, secret: true, value: ringOf(&c.MasterKeys),
			meaning: "Encrypts the secrets and header values of subscriptions in the database (AES-256-GCM). `openssl rand -base64 32` creates a key. With several keys, separated by commas, the first one encrypts and all of them decrypt; `hookferry keys rotate-master` encrypts everything again with the first. Keep the key apart from database backups: what it encrypted can't be read without it.",
		},
		{
			name: "HOOKFERRY_MAX_BODY", def: "1MiB", role: RoleAPI, value: sizeOf(&c.MaxBody, 1<<10, 32<<20),
			meaning: "The largest request body, in bytes or with the unit KiB or MiB.",
		},
		{
			name: "HOOKFERRY_MAX_CONNECTIONS", def: "4096", role: RoleAll, value: countOf(&c.MaxConnections, 16, 1_000_000),
			meaning: "How many connections may be open at once to the API. The admin address has a separate limit of the same size. A further connection gets 503 and is closed.",
		},
		{
			name: "HOOKFERRY_MAX_PENDING", def: "10000000", role: RoleAPI, value: countOf(&c.MaxPending, 1, 1_000_000_000),
			meaning: "How many deliveries may be pending. Beyond that, publishing gets 429. They are counted every few seconds, so the backlog may exceed the limit slightly.",
		},
		{
			name: "HOOKFERRY_MAX_PENDING_PER_SUBSCRIPTION", def: "1000000", role: RoleAPI, value: countOf(&c.MaxPendingOfOne, 1, 1_000_000_000),
			meaning: "How many deliveries of one subscription may be pending, so that one dead endpoint does not fill the backlog. Beyond that, publishing to it gets 429.",
		},
		{
			name: "HOOKFERRY_MAX_SUBSCRIPTIONS_PER_TENANT", def: "10000", role: RoleAPI, value: countOf(&c.MaxSubscriptions, 1, event.MaxSubscriptionsOfTenant),
			meaning: "How many subscriptions a tenant may have, unless the tenant has a limit of its own. It limits how many deliveries one event can have.",
		},
		{
			name: "HOOKFERRY_EVENT_TYPES", def: "open", role: RoleAPI, value: choiceOf(&c.EventTypes, "open", "registered"),
			meaning: "Which event types are accepted: `open` accepts all, `registered` only those that `PUT /event-types/{name}` has registered and that are not archived. Schemas of registered types apply either way.",
		},
		{
			name: "HOOKFERRY_SHUTDOWN_GRACE", def: "30s", role: RoleAll, value: durationOf(&c.ShutdownGrace, 0, time.Hour),
			meaning: "How long requests and attempts in flight may take to finish when the service stops.",
		},
	}
}

func (c *Config) logging() []declaration {
	return []declaration{
		{
			name: "LOG_LEVEL", def: "INFO", role: RoleAll, value: choiceOf(&c.LogLevel, "DEBUG", "INFO", "WARN", "ERROR"),
			meaning: "The lowest level that is logged.",
		},
		{
			name: "HOOKFERRY_LOG_FORMAT", def: "auto", role: RoleAll, value: choiceOf(&c.LogFormat, "auto", "text", "json"),
			meaning: "The format of the log. `auto` is text in a terminal and JSON elsewhere.",
		},
		{
			name: "HOOKFERRY_LOG_ATTEMPTS", def: "failures", role: RoleWorker, value: choiceOf(&c.LogAttempts, "failures", "all"),
			meaning: "Which attempts are logged. `failures` logs up to 10 failed attempts a minute for one subscription and 300 a minute in all; `all` logs every attempt, without a limit. A summary is logged each minute. Every attempt is in the database in either case.",
		},
	}
}
