package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// Copy copies everything that a SQLite database keeps to PostgreSQL.
//
// It can be interrupted at any point: the next run with the same source and target continues where
// it stopped. If the source has changed in between, because its service ran, that run starts over.
type Copy struct {
	From, To config.Database
	Settings config.Config // of which the master keys and the retention are used
	// Say is called with sentences about what is found and done, and Progress after each batch that
	// is on disk.
	Say      func(sentence string)
	Progress func(CopyProgress)
	// BatchRows is the maximum number of rows in a batch; copyBatch if 0.
	BatchRows int
}

// CopyProgress is the progress of a step in this run: Rows rows are copied. The step has Of rows.
type CopyProgress struct {
	Step     string
	Rows, Of int64
}

// CopyAccount is the number of rows of one kind on both sides.
type CopyAccount struct {
	Kind         string
	Source, Copy int64
}

// copyBatch is the default of Copy.BatchRows.
const copyBatch = 1000

// copying is a copy under way.
type copying struct {
	*Copy
	source   *sqlite.Source
	target   *postgres.Target
	print    string // the fingerprint of the source
	counts   store.CopyCounts
	findings map[event.Rule]int
}

// Run makes the copy and returns the account. The numbers of the two sides agree unless Run fails.
func (c Copy) Run(ctx context.Context) (account []CopyAccount, err error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	source, err := sqlite.OpenSource(ctx, c.From.Path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	run := &copying{Copy: &c, source: source}
	if err := run.examineSource(ctx); err != nil {
		return nil, err
	}
	target, err := postgres.OpenTarget(ctx, string(c.To.URL))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	run.target = target
	if err := run.copy(ctx); err != nil {
		return nil, err
	}
	return run.account(ctx)
}

// check fails unless the copy goes from SQLite to PostgreSQL.
func (c *Copy) check() error {
	switch from, to := c.From.Engine, c.To.Engine; {
	case from == config.SQLite && to == config.Postgres:
		return nil
	case from == config.SQLite && to == config.SQLite:
		return errors.New("a copy goes from SQLite to PostgreSQL: to copy a SQLite database to another file, run `hookferry backup`")
	case from == config.Postgres && to == config.Postgres:
		return errors.New("a copy goes from SQLite to PostgreSQL: between two databases of PostgreSQL, use `pg_dump` and `pg_restore`")
	}
	return errors.New("a copy goes from SQLite to PostgreSQL: there is no copy from PostgreSQL to SQLite")
}

// examineSource checks the source for damage, and the master keys, before anything is written.
func (c *copying) examineSource(ctx context.Context) (err error) {
	c.Say("examining " + c.From.String())
	now := time.Now()
	findings, err := c.source.Audit(ctx, now, now.Add(-c.Settings.Retention))
	if err != nil {
		return err
	}
	c.findings = map[event.Rule]int{}
	for _, f := range findings {
		if isDamage(f) || f.Rule == event.RuleDeliveryHasEvent {
			return fmt.Errorf("the source is damaged, and nothing is copied from a damaged database: there are %s; run `hookferry doctor` to see what to do", shownFinding(f).What)
		}
		c.findings[f.Rule] = f.Found
	}
	if err := c.checkSecrets(ctx); err != nil {
		return err
	}
	if c.counts, err = c.source.Counts(ctx); err != nil {
		return err
	}
	c.print, err = c.source.Fingerprint(ctx)
	return err
}

// checkSecrets checks whether the master keys in the settings decrypt the secrets of the source.
// Secrets are copied as they are, so the new nodes need the keys of the old service.
func (c *copying) checkSecrets(ctx context.Context) error {
	const page = 100
	locked, why := 0, ""
	for before := (event.ID{}); ; {
		list, err := c.source.ListSubscriptions(ctx, event.SubscriptionQuery{After: event.SubscriptionPosition{ID: before}, Limit: page})
		if err != nil {
			return err
		}
		for i := range list {
			if reason := store.WhyLocked(list[i], c.Settings.MasterKeys); reason != "" {
				locked, why = locked+1, reason
			}
			before = list[i].ID
		}
		if len(list) < page {
			break
		}
	}
	switch {
	case locked == 0:
	case c.Settings.MasterKeys.Seals():
		return fmt.Errorf("HOOKFERRY_MASTER_KEY can't decrypt the secrets of %d subscription(s) (%s): set it to the value that the service has, or unset it here, because secrets are copied as they are", locked, why)
	default:
		c.Say(fmt.Sprintf("the secrets of %d subscription(s) are encrypted, and are copied as they are: the new nodes need the HOOKFERRY_MASTER_KEY of the old service", locked))
	}
	return nil
}

// copy writes what the target lacks.
func (c *copying) copy(ctx context.Context) error {
	state, err := c.target.Copied(ctx)
	if err != nil {
		return err
	}
	switch {
	case state.Ended && state.Fingerprint == c.print:
		c.Say("the copy is complete already; comparing both sides")
		return nil
	case state.Ended:
		return errors.New("the target holds a complete copy of another source, or of this one before it changed: copy into an empty database")
	case state.Fingerprint == c.print:
		c.Say("continuing a copy that was interrupted")
	default:
		if state.Fingerprint != "" {
			c.Say("the target holds part of a copy of another source, or of this one before it changed: starting over")
		}
		if err := c.target.Begin(ctx, c.From.String(), c.print); err != nil {
			return err
		}
		state = postgres.Copied{}
	}
	return c.steps(ctx, state)
}

// steps runs the steps, from the one that the state names.
func (c *copying) steps(ctx context.Context, state postgres.Copied) error {
	var last []store.CopyStep
	rows := map[string][][]any{}
	isDone := state.Step != ""
	for _, step := range store.CopySteps() {
		var after []byte
		if step.Name == state.Step {
			isDone, after = false, state.Cursor
		}
		write := c.writer(ctx, step)
		switch {
		case step.Last:
			last = append(last, step)
			write = func(b store.Batch) error {
				rows[step.Name] = append(rows[step.Name], b.Rows...)
				return nil
			}
		case isDone:
			continue
		}
		if err := c.source.Read(ctx, step, after, cmp.Or(c.BatchRows, copyBatch), write); err != nil {
			return err
		}
	}
	return c.target.End(ctx, last, rows)
}

// writer writes the batches of a step, and reports each.
func (c *copying) writer(ctx context.Context, step store.CopyStep) func(store.Batch) error {
	var sum int64
	return func(b store.Batch) error {
		if err := c.target.Write(ctx, step, b); err != nil {
			return err
		}
		sum += int64(len(b.Rows))
		c.Progress(CopyProgress{Step: step.Name, Rows: sum, Of: c.rowsOf(step)})
		return nil
	}
}

// rowsOf returns the number of rows of a step, or 0 if it is not known. Implicit deliveries are
// counted with the others.
func (c *copying) rowsOf(step store.CopyStep) (n int64) {
	if step.Name != "deliveries" {
		return c.counts[step.Name]
	}
	for _, status := range event.Statuses {
		n += c.counts["deliveries "+status.String()]
	}
	return n
}

// account compares both sides.
func (c *copying) account(ctx context.Context) (account []CopyAccount, err error) {
	counts, err := c.target.Counts(ctx)
	if err != nil {
		return nil, err
	}
	differ := 0
	for _, kind := range store.CopyKinds() {
		account = append(account, CopyAccount{Kind: kind, Source: c.counts[kind], Copy: counts[kind]})
		if c.counts[kind] != counts[kind] {
			differ++
		}
	}
	if differ > 0 {
		return account, errors.New("the two sides differ, because something else has changed the target during the copy or after it: copy into an empty database")
	}
	return account, c.auditTarget(ctx)
}

// auditTarget fails if more rows break a rule in the copy than in the source. If the audit takes
// too long, it is left to the operator: the numbers of rows agree.
func (c *copying) auditTarget(ctx context.Context) error {
	now := time.Now()
	findings, err := c.target.Audit(ctx, now, now.Add(-c.Settings.Retention))
	if errors.Is(err, context.DeadlineExceeded) {
		c.Say("the numbers agree; the copy is too large to audit within a minute")
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range findings {
		switch f.Rule {
		case event.RuleLeasesAreEnded, event.RuleDueIsClaimed: // nothing runs on either side
			continue
		}
		if f.Found > c.findings[f.Rule] {
			return fmt.Errorf("the audit of the copy finds what the source does not have: %d %s", f.Found, shownFinding(f).What)
		}
	}
	return nil
}
