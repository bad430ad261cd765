package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// segment is a named part of a strip.
type segment struct {
	name  string
	value float64
}

// strip is one bar of a plot.
type strip struct {
	name  string
	parts []segment
}

var colours = map[string]string{
	"relay": "#8a8f98", "service": "#2f6fde", "api": "#2f6fde", "worker": "#6aa0f7", "postgres": "#3a7d5d", "redis": "#c0503f",
	"p50": "#2f6fde", "p99": "#a9c6fa",
}

// cpuPlot shows the CPU time per delivery, by process.
func (t *table) cpuPlot() string {
	var strips []strip
	for _, s := range []struct{ name, who, shown string }{
		{"full SQLite", "relay", "relay (stores nothing)"},
		{"full SQLite", "service", "SQLite"},
		{"full PostgreSQL", "service", "PostgreSQL"},
		{"full PostgreSQL and Redis", "service", "API, Redis, worker"},
		{"claims", "service", "API, claims, worker"},
	} {
		f, ok := t.of(s.name, s.who)
		if !ok {
			continue
		}
		bar := strip{name: s.shown}
		for _, u := range f.Used {
			bar.parts = append(bar.parts, segment{u.Name, u.PerDelivery})
		}
		strips = append(strips, bar)
	}
	return plot("CPU time per delivery, µs", strips, func(v float64) string { return fmt.Sprintf("%.0f", v) })
}

// latencyPlot shows the p50 and p99 from POST to endpoint.
func (t *table) latencyPlot() string {
	var strips []strip
	for _, name := range []string{"lone", "2000/s", "half"} {
		for _, on := range stores {
			f, ok := t.of(name+" "+string(on), "service")
			if !ok {
				continue
			}
			shown := map[string]string{"lone": "one at a time", "2000/s": "2,000/s", "half": fmt.Sprintf("%.0f/s", f.DeliveredRate)}[name]
			p50, p99 := inMillis(f.Arrival.P50), inMillis(f.Arrival.P99)
			strips = append(strips, strip{shown + ", " + string(on), []segment{{"p50", p50}, {"p99", p99 - p50}}})
		}
	}
	return plot("POST to endpoint, including the commit to disk: p50 and p99, ms", strips, func(v float64) string { return fmt.Sprintf("%.1f", v) })
}

func inMillis(d time.Duration) float64 { return d.Seconds() * 1000 }

// plot draws horizontal bars. Each consists of segments, with their sum at its end.
func plot(title string, strips []strip, words func(float64) string) string {
	const width, left, height, top = 760, 190, 30, 64
	most := 0.0
	var names []string
	for _, s := range strips {
		most = max(most, s.sum())
		for _, p := range s.parts {
			if !strings.Contains(strings.Join(names, "|"), p.name) {
				names = append(names, p.name)
			}
		}
	}
	scale := (width - left - 80) / math.Max(most, 1e-9)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="%s">`+"\n", width, top+height*len(strips)+12, title)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#ffffff"/><text x="12" y="24" font-size="15" font-weight="600" fill="#1b1f24">%s</text>`+"\n", title)
	for i, name := range names {
		fmt.Fprintf(&b, `<rect x="%d" y="38" width="11" height="11" fill="%s"/><text x="%d" y="48" fill="#444b54">%s</text>`+"\n", left+i*95, colours[name], left+i*95+16, name)
	}
	for i, s := range strips {
		y, x := top+i*height, float64(left)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#1b1f24">%s</text>`+"\n", left-10, y+17, s.name)
		for _, p := range s.parts {
			fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="20" fill="%s"/>`+"\n", x, y+3, p.value*scale, colours[p.name])
			x += p.value * scale
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" fill="#1b1f24">%s</text>`+"\n", x+6, y+17, words(s.sum()))
	}
	return b.String() + "</svg>\n"
}

func (s strip) sum() (sum float64) {
	for _, p := range s.parts {
		sum += p.value
	}
	return sum
}
