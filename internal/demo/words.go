package demo

import (
	"fmt"
	"strings"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/terminal"
)

// introduction describes the demo before it starts.
func (d *demo) introduction() []terminal.Line {
	lines := []terminal.Line{
		{terminal.Bold.Of("Hookferry " + d.Release), terminal.Plain.Of(": the real service, on a temporary database in " + terminal.Clean(d.dir))},
		terminal.LineOf(fmt.Sprintf("It accepts %d events over its HTTP API and delivers them to %d endpoints on this machine.", d.pace.events, len(d.servers))),
		nil,
	}
	if d.screen.IsTerminal() { // the picture contains these lines
		return lines
	}
	for _, r := range d.servers {
		lines = append(lines, terminal.Line{terminal.Bold.Of(fmt.Sprintf("  %-10s", r.name)), terminal.Plain.Of(" " + r.behaviour)})
	}
	return append(lines, nil)
}

// report describes what happened at each endpoint, and adds up the numbers.
func (d *demo) report(a account, faults []string) []terminal.Line {
	lines := []terminal.Line{nil, {terminal.Bold.Of("What happened")}}
	for i, e := range a.endpoints {
		lines = append(lines, terminal.Line{terminal.Bold.Of(fmt.Sprintf("  %-10s ", e.name)), terminal.Plain.Of(terminal.Clean(a.describe(i)))})
		if e.lesson != nil {
			if lesson := e.lesson(a); lesson != "" {
				lines = append(lines, terminal.Line{terminal.Faint.Of(strings.Repeat(" ", 13) + terminal.Clean(lesson))})
			}
		}
	}
	if a.refusals.target != "" {
		why, _, _ := strings.Cut(a.refusals.target, ";")
		lines = append(lines, nil, terminal.LineOf("A subscription with the target "+forbiddenTarget+" was refused:"), terminal.LineOf("  "+terminal.Clean(why)))
	}
	if !d.screen.IsTerminal() { // the picture shows the latency
		lines = append(lines, nil, terminal.LineOf("Latency, "+latencyWords(a.took)))
	}
	return append(append(lines, nil), a.lines(faults)...)
}

// describe says what became of an endpoint's events.
func (a account) describe(index int) string {
	g := group{byStatus: map[string]int{}}
	for _, e := range a.entries {
		if e.endpoint == index {
			g.add(e.delivery)
		}
	}
	return g.words()
}

// group counts the deliveries of one endpoint.
type group struct {
	n            int
	byStatus     map[string]int
	fewest, most int    // numbers of attempts
	reason       string // why the last failed attempt failed
}

func (g *group) add(d client.Delivery) {
	if tries := len(d.Attempts); g.n == 0 {
		g.fewest, g.most = tries, tries
	} else {
		g.fewest, g.most = min(g.fewest, tries), max(g.most, tries)
	}
	g.n++
	g.byStatus[d.Status]++
	for _, attempt := range d.Attempts {
		if !attempt.Success {
			g.reason = attempt.Error
		}
	}
}

func (g *group) words() string {
	events := terminal.Number(g.n, "event")
	switch {
	case g.n == 0:
		return "no events"
	case g.byStatus[client.Delivered] == g.n && g.most == 1:
		return events + ", all delivered on the first attempt"
	case g.byStatus[client.Delivered] == g.n:
		return fmt.Sprintf("%s, all delivered on attempt %s; earlier attempts failed: %s", events, g.tries(), g.reason)
	case g.byStatus[client.Failed] == g.n && g.most == 1:
		return fmt.Sprintf("%s, failed at once: %s", events, g.reason)
	case g.byStatus[client.Failed] == g.n:
		return fmt.Sprintf("%s, all failed after %s attempts: %s", events, g.tries(), g.reason)
	}
	return fmt.Sprintf("%s: %s; attempts: %s; last failure: %s", events, sum(g.byStatus, ", "), g.tries(), g.reason)
}

func (g *group) tries() string {
	if g.fewest == g.most {
		return fmt.Sprint(g.most)
	}
	return fmt.Sprintf("%d to %d", g.fewest, g.most)
}

// sum lists the counts: "3 delivered, 1 failed".
func sum(byStatus map[string]int, separator string) string {
	var parts []string
	for _, status := range statuses {
		if n := byStatus[status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, status))
		}
	}
	return strings.Join(parts, separator)
}

// lines returns the tally itself.
func (a account) lines(faults []string) []terminal.Line {
	reportedCounts := a.reportedCounts()
	lines := []terminal.Line{
		{terminal.Bold.Of("The tally")},
		terminal.LineOf(fmt.Sprintf("  %d accepted = %d delivered + %d failed + %d pending + %d cancelled",
			len(a.entries), reportedCounts[client.Delivered], reportedCounts[client.Failed], reportedCounts[client.Pending], reportedCounts[client.Cancelled])),
	}
	good := []string{
		"it adds up: the API reports the same statuses as the database, for every event",
		fmt.Sprintf("nothing is lost: all %d delivered events arrived at their endpoints unchanged, byte for byte", reportedCounts[client.Delivered]),
		fmt.Sprintf("%s arrived, each with a valid signature", terminal.Number(a.requests, "request")),
	}
	if len(faults) > 0 {
		good = nil
	}
	for _, text := range good {
		lines = append(lines, terminal.Line{terminal.Green.Of("  ✓ "), terminal.Plain.Of(text)})
	}
	lines = append(lines, a.duplicateLine())
	if n := reportedCounts[client.Pending]; n > 0 {
		lines = append(lines, terminal.Line{terminal.Yellow.Of("  ! "), terminal.Plain.Of(terminal.Number(n, "event") + " still pending: this machine was too slow to finish in time")})
	}
	for _, text := range faults {
		lines = append(lines, terminal.Line{terminal.Red.Of("  ✗ "), terminal.Plain.Of(terminal.Clean(text))})
	}
	return append(lines, nil)
}

func (a account) duplicateLine() terminal.Line {
	if n := a.duplicates(); n > 0 {
		return terminal.Line{terminal.Yellow.Of("  ! "), terminal.Plain.Of(terminal.Number(n, "event") + " arrived again after being accepted, which an endpoint recognizes by the webhook-id")}
	}
	return terminal.Line{terminal.Green.Of("  ✓ "), terminal.Plain.Of("nothing arrived twice")}
}
