package cli

import (
	"fmt"
	"strings"

	"github.com/hookferry/hookferry/client"
)

// introduction says what there is, before anything happens.
func (d *demo) introduction() []line {
	lines := []line{
		{{"Hookferry " + release, bold}, {": the real service, on a temporary database in " + clean(d.dir), plain}},
		lineOf(fmt.Sprintf("It takes %d events over its HTTP API and brings them to %d endpoints on this machine.", d.pace.events, len(d.receivers))),
		nil,
	}
	if d.screen.isTerminal { // else the picture would say it again
		return lines
	}
	for _, r := range d.receivers {
		lines = append(lines, line{{fmt.Sprintf("  %-10s", r.name), bold}, {" " + r.manner, plain}})
	}
	return append(lines, nil)
}

// report is the end: what happened at each endpoint, and the account.
func (d *demo) report(a account, faults []string) []line {
	lines := []line{nil, {{"What happened", bold}}}
	for i, e := range a.endpoints {
		lines = append(lines, line{{fmt.Sprintf("  %-10s ", e.name), bold}, {clean(a.describe(i)), plain}})
		if e.moral != nil {
			if moral := e.moral(a); moral != "" {
				lines = append(lines, line{{strings.Repeat(" ", 13) + clean(moral), faint}})
			}
		}
	}
	if a.refusals.target != "" {
		why, _, _ := strings.Cut(a.refusals.target, ";")
		lines = append(lines, nil, lineOf("A subscription that calls "+forbiddenTarget+" was refused:"), lineOf("  "+clean(why)))
	}
	if !d.screen.isTerminal { // else the picture still shows it
		lines = append(lines, nil, lineOf("Latency, "+latencyWords(a.took)))
	}
	return append(append(lines, nil), a.lines(faults)...)
}

// describe says what became of an endpoint's events.
func (a account) describe(index int) string {
	g := group{byStatus: map[string]int{}}
	for _, e := range a.entries {
		if e.receiver == index {
			g.add(e.delivery)
		}
	}
	return g.words()
}

// group is the deliveries of one endpoint.
type group struct {
	n            int
	byStatus     map[string]int
	fewest, most int    // attempts
	reason       string // why an attempt failed; the last one seen
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
	events := number(g.n, "event")
	switch {
	case g.n == 0:
		return "no events"
	case g.byStatus[client.Delivered] == g.n && g.most == 1:
		return events + ", all delivered at the first attempt"
	case g.byStatus[client.Delivered] == g.n:
		return fmt.Sprintf("%s, all delivered, at attempt %s; those before failed: %s", events, g.tries(), g.reason)
	case g.byStatus[client.Failed] == g.n && g.most == 1:
		return fmt.Sprintf("%s, failed at once: %s", events, g.reason)
	case g.byStatus[client.Failed] == g.n:
		return fmt.Sprintf("%s, each tried %s times, then failed: %s", events, g.tries(), g.reason)
	}
	return fmt.Sprintf("%s: %s; attempts: %s; trouble: %s", events, sum(g.byStatus, ", "), g.tries(), g.reason)
}

func (g *group) tries() string {
	if g.fewest == g.most {
		return fmt.Sprint(g.most)
	}
	return fmt.Sprintf("%d to %d", g.fewest, g.most)
}

// sum names the counts: "3 delivered, 1 failed".
func sum(byStatus map[string]int, separator string) string {
	var parts []string
	for _, status := range statuses {
		if n := byStatus[status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, status))
		}
	}
	return strings.Join(parts, separator)
}

// lines is the account itself.
func (a account) lines(faults []string) []line {
	told := a.told()
	lines := []line{
		{{"The account", bold}},
		lineOf(fmt.Sprintf("  %d accepted = %d delivered + %d failed + %d pending + %d cancelled",
			len(a.entries), told[client.Delivered], told[client.Failed], told[client.Pending], told[client.Cancelled])),
	}
	good := []string{
		"it balances: every event was asked for by its id, and the database counts the same",
		fmt.Sprintf("nothing is lost: each of the %d delivered was taken by its receiver, byte for byte as it was sent", told[client.Delivered]),
		fmt.Sprintf("%s carried a signature, and every one was right", number(a.requests, "request")),
	}
	if len(faults) > 0 {
		good = nil
	}
	for _, text := range good {
		lines = append(lines, line{{"  ✓ ", green}, {text, plain}})
	}
	lines = append(lines, a.duplicateLine())
	if n := told[client.Pending]; n > 0 {
		lines = append(lines, line{{"  ! ", yellow}, {number(n, "event") + " still waiting: this machine was too slow to see the end", plain}})
	}
	for _, text := range faults {
		lines = append(lines, line{{"  ✗ ", red}, {clean(text), plain}})
	}
	return append(lines, nil)
}

func (a account) duplicateLine() line {
	if n := a.duplicates(); n > 0 {
		return line{{"  ! ", yellow}, {number(n, "event") + " came again after being taken; webhook-id tells a receiver so", plain}}
	}
	return line{{"  ✓ ", green}, {"nothing came twice", plain}}
}
