package main

// plan is a subscription, and what happens to it.
type plan struct {
	about    string
	path     string // of its endpoint
	host     string // of its endpoint; "" is 127.0.0.1
	settings string // members of the body that creates it, besides target_url
	secret   string // signs what is published to it
	keyed    bool   // each event has an idempotency key and is published twice
	// quiet is how many events it gets in the quiet phase. begun is how many it gets at the start
	// of the second process, and loaded whether it gets more until the kill.
	quiet, begun int
	loaded       bool
	after        string // what happens to it at the end of the quiet phase: deactivate or delete
}

const signingKey = "a secret of at least sixteen bytes"

// plans covers each state that a delivery or a subscription can be in.
var plans = []plan{
	{about: "delivered at once", path: "/ok", quiet: 300, loaded: true},
	{
		about: "every setting; deliveries wait for its rate", path: "/ok", quiet: 4, begun: 25, loaded: true,
		settings: `"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "description": "Every setting: größe ✓", "event_types": ["order.*", "user.created"],
			"headers": {"X-Team": "shop", "Authorization": "Bearer of the endpoint"}, "timeout_seconds": 5,
			"retry_schedule_seconds": [10, 60.5, 600], "max_in_flight": 4, "rate_per_second": 1.5`,
	},
	{
		about: "takes signed events only, and each has an idempotency key", path: "/ok", quiet: 30, loaded: true, keyed: true,
		secret: signingKey, settings: `"secret": "` + signingKey + `", "require_signature": true`,
	},
	{about: "delivered at the third attempt", path: "/flaky", quiet: 20, loaded: true, settings: `"retry_schedule_seconds": [0.1, 0.1, 0.1]`},
	{about: "retried; the last of its retries is an hour off", path: "/failing", quiet: 20, loaded: true, settings: `"retry_schedule_seconds": [0.1, 0.2, 0.2, 3600]`},
	{about: "failed without a retry", path: "/failing", quiet: 8, loaded: true, settings: `"retry_schedule_seconds": []`},
	{about: "failed after two retries", path: "/failing", quiet: 8, settings: `"retry_schedule_seconds": [0.1, 0.1]`},
	{about: "told to come back in an hour", path: "/busy", quiet: 5},
	{about: "nothing listens at its endpoint", path: "/closed", quiet: 5, settings: `"retry_schedule_seconds": [0.1, 3600]`},
	{about: "failed because the settings forbid its target since", path: "/ok", host: "127.0.0.2", begun: 5},
	{about: "disabled by a 410", path: "/gone", quiet: 3},
	{about: "inactive, with a history and a backlog", path: "/every-other", quiet: 12, settings: `"retry_schedule_seconds": [3600]`, after: deactivate},
	{about: "deleted, with a history; its backlog is cancelled", path: "/every-other", quiet: 12, settings: `"retry_schedule_seconds": [3600]`, after: remove},
	{about: "deleted before it got an event", path: "/ok", after: remove},
	{about: "never got an event", path: "/ok", settings: `"event_types": ["nothing.*"]`},
	{about: "its endpoint never responds; leases are renewed", path: "/hanging", begun: 12, settings: `"timeout_seconds": 60, "max_in_flight": 4`},
	{about: "its endpoint takes two seconds", path: "/slow", begun: 4, loaded: true},
}

const (
	deactivate = "deactivate"
	remove     = "delete"
)
