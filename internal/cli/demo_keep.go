package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// stay leaves everything running until ctx ends, and prints each webhook that
// still comes.
func (d *demo) stay(ctx context.Context) error {
	d.screen.print(d.invitation()...)
	d.ledger.mu.Lock()
	d.ledger.observe = func(receiver int, n news) { d.screen.print(d.receivers[receiver].newsLine(n)) }
	d.ledger.mu.Unlock()
	<-ctx.Done()
	d.ledger.mu.Lock()
	d.ledger.observe = nil
	d.ledger.mu.Unlock()
	if !interrupted(ctx) {
		return context.Cause(ctx)
	}
	d.screen.print(nil, lineOf("Stopped; nothing is left behind."))
	return nil
}

// invitation says what to open and what to type.
func (d *demo) invitation() []line {
	api, first := d.service.url(), d.receivers[0].subscription
	return []line{
		{{"Still running, until Ctrl-C. Then the data is removed.", bold}},
		nil,
		lineOf("  docs      " + api + "/docs"),
		lineOf("  health    " + api + "/health"),
		lineOf("  metrics   " + d.service.admin() + "/metrics"),
		lineOf("  database  " + filepath.Join(d.dir, "hookferry.db")),
		nil,
		{{"Try it, and watch here what comes:", bold}},
		nil,
		lineOf(fmt.Sprintf(`  curl -X POST "%s/webhooks/ingest/%s" -H "Content-Type: application/json" \`, api, first)),
		lineOf(`       -d '{"event": "order.created", "data": {"id": 123, "total": "12.50"}}'`),
		lineOf(fmt.Sprintf(`  curl "%s/status/subscription/%s?limit=3"`, api, first)),
		lineOf(fmt.Sprintf(`  curl "%s/subscriptions/"`, api)),
		nil,
	}
}

// newsLine is one webhook that came.
func (r *receiver) newsLine(n news) line {
	answered := "no answer"
	looks := yellow
	if n.status > 0 {
		answered = fmt.Sprintf("answered %d", n.status)
	}
	if n.status >= 200 && n.status <= 299 {
		looks = green
	}
	return line{
		{"  " + n.at.Format(time.TimeOnly), faint},
		{"  " + r.name, bold},
		{fmt.Sprintf("  %s  attempt %d, signature %s, ", clean(n.eventType), n.number, n.verdict), plain},
		{answered, looks},
	}
}
