package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/api"
	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// ruleTexts describes what is wrong if a rule is broken, and what to do.
var ruleTexts = map[event.Rule][2]string{
	event.RuleDeliveryHasEvent: {
		"deliveries whose event is missing: they can't be delivered",
		"Rows of the table events were lost, in a restore of only some tables or by hand. Restore all tables from one backup.",
	},
	event.RuleEventHasDeliveries: {
		"events with fewer deliveries than when they were accepted",
		"Rows of the table deliveries were lost, in a restore of only some tables or by hand. Restore all tables from one backup, or have the producer publish these events again.",
	},
	event.RuleAttemptsOnRecord: {
		"deliveries with fewer recorded attempts than were made",
		"Rows of the table delivery_attempts were lost. Deliveries are not affected, but part of the history is missing. Restore it from a backup if you need it.",
	},
	event.RuleSettledIsFree: {
		"settled deliveries that a node still claims",
		"This is a bug in Hookferry: please report it with the rows. They are not attempted again.",
	},
	event.RulePendingIsWanted: {
		"pending deliveries whose subscription no longer exists",
		"Rows of the table subscriptions were lost, or deleted by hand instead of through the API. Restore them; until then, these deliveries can't be made.",
	},
	event.RuleLeasesAreEnded: {
		"leases that ran out more than a minute ago and that no node has released",
		"No worker is running on this database. Start one, and look at the logs of the workers that should be running.",
	},
	event.RuleDueIsClaimed: {
		"deliveries that have been due for more than a minute, but that no node has claimed",
		"The workers are down or can't keep up, or one endpoint is slower than its events arrive. Look at hookferry_oldest_due_seconds and at the attempts of the oldest delivery's subscription. If all subscriptions are slow, add workers.",
	},
	event.RulePartitionsAreAhead: {
		"missing partitions for the next hours",
		"Nodes create partitions every hour, and in every commit that needs one. Look for \"make partitions\" in the logs. The database user must own the tables.",
	},
	event.RuleEventIsIntact: {
		"events that changed on disk after they were stored: their checksum differs",
		"A damaged event that was claimed from the database is not sent: its delivery fails with event_damaged. Replace the disk, restore a backup, and have the producer publish these events again.",
	},
	event.RuleSubscriptionIsIntact: {
		"subscriptions that changed on disk after they were stored: their checksum differs",
		"They do not accept events, and their pending deliveries wait. Replace the disk and restore a backup, or replace each of these subscriptions, with a new secret and all its headers.",
	},
	event.RuleDatabaseIsSound: {
		"errors in the pages or indexes of the SQLite database: the disk or another program has damaged the file",
		"Stop the service, copy the database and its -wal file, and check the disk. Then restore a backup, or recover what is readable with `sqlite3 hookferry.db .recover`.",
	},
}

// examine audits a database, and compares its clock with this machine's if it has one. It accepts
// that data older than the retention may have expired.
func examine(ctx context.Context, s store.Store, clock store.Clock, retention time.Duration) (api.Integrity, error) {
	began := time.Now()
	findings, err := s.Audit(ctx, began, began.Add(-retention))
	if err != nil {
		return api.Integrity{}, err
	}
	counts, err := s.Count(ctx)
	if err != nil && !slices.ContainsFunc(findings, isDamage) { // damaged data may not be readable
		return api.Integrity{}, err
	}
	report := api.Integrity{Status: api.StatusOK, CheckedAt: began.UTC().Truncate(time.Millisecond), Deliveries: map[string]int{}, Findings: []api.Finding{}}
	for _, status := range event.Statuses {
		report.Deliveries[status.String()] = counts[status]
	}
	for _, f := range findings {
		report.Findings = append(report.Findings, shownFinding(f))
	}
	if clock != nil {
		if f, apart := clockFinding(clock); apart {
			report.Findings = append(report.Findings, f)
		}
	}
	if len(report.Findings) > 0 {
		report.Status = api.StatusDegraded
	}
	report.TookMS = float64(time.Since(began).Microseconds()) / 1000
	return report, nil
}

func isDamage(f event.Finding) bool {
	return slices.Contains([]event.Rule{event.RuleDatabaseIsSound, event.RuleEventIsIntact, event.RuleSubscriptionIsIntact}, f.Rule)
}

func shownFinding(f event.Finding) api.Finding {
	words := ruleTexts[f.Rule]
	shown := api.Finding{Rule: string(f.Rule), Found: f.Found, AtLeast: f.Found == event.FindingsMost, What: words[0], Advice: words[1]}
	if f.Detail != "" {
		shown.What += ": " + f.Detail
	}
	if !f.Oldest.IsZero() {
		at := f.Oldest.Time().UTC()
		shown.Oldest, shown.OldestAt = f.Oldest.String(), &at
	}
	return shown
}

// RuleClocksAgree is the rule about clocks, which depends on no row.
const RuleClocksAgree = "clocks_agree"

func clockFinding(c store.Clock) (f api.Finding, apart bool) {
	offset := c.ClockOffset().Round(time.Second)
	return api.Finding{
		Rule: RuleClocksAgree, Found: 1, What: fmt.Sprintf("this machine's clock and that of the database are %s apart", offset.Abs()),
		Advice: "Synchronize both with NTP: endpoints refuse requests that seem to have been signed minutes ago.",
	}, offset.Abs() > maxClockOffset
}

// auditFresh is how long a report is reused, because each new one reads all stored data.
const auditFresh = 30 * time.Second

// auditor makes one report at a time, and shares it with all callers in the meantime.
type auditor struct {
	store     store.Store
	clock     store.Clock // nil if the database has no clock of its own
	retention time.Duration

	mu     sync.Mutex
	at     time.Time
	report api.Integrity
}

func (a *auditor) integrity(ctx context.Context) (api.Integrity, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.at) < auditFresh {
		return a.report, nil
	}
	report, err := examine(ctx, a.store, a.clock, a.retention)
	if err == nil {
		a.at, a.report = time.Now(), report
	}
	return report, err
}

// Examine audits the database that the settings name. A service may be running on it.
func Examine(ctx context.Context, cfg config.Config) (report api.Integrity, err error) {
	err = withStore(ctx, cfg, func(s store.Store) (err error) {
		clock, _ := s.(store.Clock)
		report, err = examine(ctx, s, clock, cfg.Retention)
		return err
	})
	return report, err
}
