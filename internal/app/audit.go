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

// audited says of each rule what was found where it is broken, and what to do.
var audited = map[event.Rule][2]string{
	event.RuleDeliveryHasEvent: {
		"deliveries without the event that they are to bring: they can't be made",
		"Rows of the table events were lost, by a restore of some tables or by hand: restore all tables from one backup.",
	},
	event.RuleEventHasDeliveries: {
		"events that have fewer deliveries than they were accepted with",
		"Rows of the table deliveries were lost, by a restore of some tables or by hand: restore all tables from one backup, or have the producer send these events again.",
	},
	event.RuleAttemptsOnRecord: {
		"deliveries that count more attempts than are on record",
		"Rows of the table delivery_attempts were lost. Nothing is delivered wrongly, but part of the history is gone; a backup has it.",
	},
	event.RuleSettledIsFree: {
		"deliveries that are settled and yet held by a node",
		"This must not happen; please report it with the rows. They are not attempted again.",
	},
	event.RulePendingIsWanted: {
		"pending deliveries whose subscription does not exist any more",
		"Rows of the table subscriptions were lost, or deleted by hand instead of by the API: restore them, or the deliveries are never made.",
	},
	event.RuleLeasesAreEnded: {
		"leases that ran out more than a minute ago and that no node has ended",
		"No worker is at work on this database: start one, and look at the logs of those that should be.",
	},
	event.RuleDueIsClaimed: {
		"deliveries that have been due for more than a minute and that no node has claimed",
		"The workers are down, or can't keep up, or one endpoint takes less than it is sent: look at hookferry_oldest_due_seconds and at the attempts of the oldest one's subscription, and add workers if all are slow.",
	},
	event.RulePartitionsAreAhead: {
		"partitions missing for the hours to come",
		"A node makes them each hour, and each commit that needs one. Look for \"make partitions\" in the logs: the database's user must own the tables.",
	},
	event.RuleEventIsIntact: {
		"events that the disk has changed since they were stored: their checksum differs",
		"Those that were claimed from the database were not sent: their deliveries failed with event_damaged. Replace the disk, restore a backup, and have the producer send these events again.",
	},
	event.RuleSubscriptionIsIntact: {
		"subscriptions that the disk has changed since they were written: their checksum differs",
		"They accept no events and are not called; what is pending for them waits. Replace the disk, and restore a backup, or replace each of these subscriptions with a new secret and all its headers.",
	},
	event.RuleDatabaseIsSound: {
		"faults in the pages or indexes of the SQLite database: the disk, or another program, has damaged the file",
		"Stop the service, keep copies of the database and its -wal, look for faults of the disk, and restore a backup, or read what can be read with `sqlite3 hookferry.db .recover`.",
	},
}

// examine audits a database, and compares its clock with this machine's if it has one. What
// is older than the retention may have expired.
func examine(ctx context.Context, s store.Store, clock store.Clock, retention time.Duration) (api.Integrity, error) {
	began := time.Now()
	findings, err := s.Audit(ctx, began, began.Add(-retention))
	if err != nil {
		return api.Integrity{}, err
	}
	counts, err := s.Count(ctx)
	if err != nil && !slices.ContainsFunc(findings, isDamage) { // what is damaged may not be readable
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
	words := audited[f.Rule]
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

// RuleClocksAgree is the rule that no row can break.
const RuleClocksAgree = "clocks_agree"

func clockFinding(c store.Clock) (f api.Finding, apart bool) {
	offset := c.ClockOffset().Round(time.Second)
	return api.Finding{
		Rule: RuleClocksAgree, Found: 1, What: fmt.Sprintf("this machine's clock is %s from the database's", offset.Abs()),
		Advice: "Set both by NTP: receivers refuse what seems to have been signed minutes ago.",
	}, offset.Abs() > clockMost
}

// auditFresh is for how long a report on integrity is not made anew: each reads all
// that is kept.
const auditFresh = 30 * time.Second

// auditor makes one report at a time, for all who ask meanwhile.
type auditor struct {
	store     store.Store
	clock     store.Clock // nil if the database has none of its own
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
