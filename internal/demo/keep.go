package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/hookferry/hookferry/internal/terminal"
)

// keepRunning keeps everything running until ctx ends, and prints each webhook that arrives.
func (d *demo) keepRunning(ctx context.Context) error {
	d.screen.Print(d.invitation()...)
	d.ledger.mu.Lock()
	d.ledger.observe = func(endpoint int, n response) { d.screen.Print(d.servers[endpoint].newsLine(n)) }
	d.ledger.mu.Unlock()
	<-ctx.Done()
	d.ledger.mu.Lock()
	d.ledger.observe = nil
	d.ledger.mu.Unlock()
	if !interrupted(ctx) {
		return context.Cause(ctx)
	}
	d.screen.Print(nil, terminal.LineOf("Stopped. All files are removed."))
	return nil
}

// invitation says what to open and what to type.
func (d *demo) invitation() []terminal.Line {
	api, first := d.service.url(), d.servers[0].subscription
	return []terminal.Line{
		{terminal.Bold.Of("Still running. Ctrl-C stops it and removes its files.")},
		nil,
		terminal.LineOf("  docs      " + api + "/docs"),
		terminal.LineOf("  health    " + api + "/health"),
		terminal.LineOf("  metrics   " + d.service.admin() + "/metrics"),
		terminal.LineOf("  database  " + filepath.Join(d.dir, "hookferry.db")),
		nil,
		{terminal.Bold.Of("Try it, and watch the webhooks arrive here:")},
		nil,
		terminal.LineOf(fmt.Sprintf(`  curl -X POST "%s/webhooks/ingest/%s" -H "Content-Type: application/json" \`, api, first)),
		terminal.LineOf(`       -d '{"event": "order.created", "data": {"id": 123, "total": "12.50"}}'`),
		terminal.LineOf(fmt.Sprintf(`  curl "%s/status/subscription/%s?limit=3"`, api, first)),
		terminal.LineOf(fmt.Sprintf(`  curl "%s/subscriptions/"`, api)),
		nil,
	}
}

// newsLine describes a webhook that arrived.
func (r *endpointServer) newsLine(n response) terminal.Line {
	outcome := "no response"
	looks := terminal.Yellow
	if n.status > 0 {
		outcome = fmt.Sprintf("response %d", n.status)
	}
	if n.status >= 200 && n.status <= 299 {
		looks = terminal.Green
	}
	return terminal.Line{
		terminal.Faint.Of("  " + n.At.Format(time.TimeOnly)),
		terminal.Bold.Of("  " + r.name),
		terminal.Plain.Of(fmt.Sprintf("  %s  attempt %d, signature %s, ", terminal.Clean(n.EventType), n.number, n.Verdict)),
		looks.Of(outcome),
	}
}
