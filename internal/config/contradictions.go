package config

import (
	"fmt"
	"slices"

	"github.com/hookferry/hookferry/internal/event"
)

// contradiction is a combination of settings that is not allowed, although each value is.
type contradiction struct {
	between []string // the settings; if one of them is faulty, they are not compared
	found   bool
	fault   string
}

// contradictions returns the faults of settings that contradict each other.
func (c Config) contradictions(faulty map[string]bool) (faults []string) {
	for _, x := range slices.Concat(c.retryContradictions(), c.storageContradictions(), c.servingContradictions()) {
		if x.found && !slices.ContainsFunc(x.between, func(name string) bool { return faulty[name] }) {
			faults = append(faults, x.fault)
		}
	}
	return faults
}

func (c Config) retryContradictions() []contradiction {
	window := c.RetryPolicy().Window()
	return []contradiction{
		{
			between: []string{"WEBHOOK_RETRY_DELAY", "WEBHOOK_RETRY_SCHEDULE"},
			found:   c.given("WEBHOOK_RETRY_DELAY") && c.given("WEBHOOK_RETRY_SCHEDULE"),
			fault:   "WEBHOOK_RETRY_DELAY and WEBHOOK_RETRY_SCHEDULE are both set, but only one of them can set the retry delays: remove one.",
		},
		{
			between: []string{"WEBHOOK_RETRY_DELAY", "WEBHOOK_RETRY_SCHEDULE", "WEBHOOK_MAX_RETRIES", "LOG_RETENTION"},
			found:   window > c.Retention,
			fault: fmt.Sprintf("The retries of a delivery take up to %s, but LOG_RETENTION keeps it for only %s: raise LOG_RETENTION, or lower WEBHOOK_MAX_RETRIES or the delays.",
				showDuration(window), showDuration(c.Retention)),
		},
	}
}

// A SQLite database belongs to one process, so settings for several nodes contradict it.
func (c Config) storageContradictions() []contradiction {
	alone := c.Database.Engine != Postgres
	return []contradiction{
		{
			between: []string{"HOOKFERRY_DATA", "DATABASE_URL"},
			found:   c.origins["HOOKFERRY_DATA"] == FromFlag && c.given("DATABASE_URL"),
			fault: fmt.Sprintf("--data names the directory of a SQLite database, but DATABASE_URL (%s) names the database %s: leave out --data to use DATABASE_URL, or unset DATABASE_URL to use --data.",
				c.origins["DATABASE_URL"], c.Database),
		},
		{
			between: []string{"DATABASE_URL", "DATABASE_READ_URL"},
			found:   c.ReadDatabase.Engine != "" && (alone || c.ReadDatabase.Engine != Postgres),
			fault:   "DATABASE_READ_URL names a PostgreSQL replica, so both it and DATABASE_URL must begin with postgres://: change them, or remove DATABASE_READ_URL.",
		},
		{
			between: []string{"DATABASE_URL", "REDIS_URL"},
			found:   alone && c.Redis != "",
			fault:   "REDIS_URL is for several nodes on PostgreSQL, but the database is SQLite, which only one process can use: set DATABASE_URL to postgres://…, or remove REDIS_URL.",
		},
		{
			between: []string{"DATABASE_URL", "HOOKFERRY_ROLE"},
			found:   alone && c.Role != RoleAll,
			fault:   fmt.Sprintf("The role is %s, but the database is SQLite, which only one process can use: set DATABASE_URL to postgres://…, or use the role all.", c.Role),
		},
	}
}

func (c Config) servingContradictions() []contradiction {
	const outside = "%s is %q, which other machines can reach, but --dev needs no API key: write it like 127.0.0.1:8000, or start without --dev."
	addr, adminAddr := c.flagOrSetting("HOOKFERRY_ADDR", "--addr"), c.flagOrSetting("HOOKFERRY_ADMIN_ADDR", "--admin-addr")
	return []contradiction{
		{
			between: []string{"HOOKFERRY_ADDR"},
			found:   c.Dev && !isLoopback(c.Addr),
			fault:   fmt.Sprintf(outside, addr, event.Clip(c.Addr, event.MaxQuoted)),
		},
		{
			between: []string{"HOOKFERRY_ADMIN_ADDR"},
			found:   c.Dev && c.AdminAddr != "" && !isLoopback(c.AdminAddr),
			fault:   fmt.Sprintf(outside, adminAddr, event.Clip(c.AdminAddr, event.MaxQuoted)),
		},
		{
			between: []string{"HOOKFERRY_ADDR", "HOOKFERRY_ADMIN_ADDR"},
			found:   c.AdminAddr != "" && collide(c.Addr, c.AdminAddr),
			fault: fmt.Sprintf("%s is %q and %s is %q, but the service can't listen on both: give them different ports.",
				addr, event.Clip(c.Addr, event.MaxQuoted), adminAddr, event.Clip(c.AdminAddr, event.MaxQuoted)),
		},
	}
}

// flagOrSetting returns the flag if it set the setting, and otherwise the setting.
func (c Config) flagOrSetting(setting, flag string) string {
	if c.origins[setting] == FromFlag {
		return flag
	}
	return setting
}
