package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// journal reads the log of a node: where it listens, how many deliveries it took over, and its
// warnings.
type journal struct {
	mu        sync.Mutex
	ready     chan line // gets the line that says so
	tookOver  int
	counts    map[string]int // number of each message that is a warning or worse
	last      []string       // the last of those, and of lines that are not log lines
	remainder int            // number of those that are not among the last
}

// lastMost is how many lines are kept for someone who investigates a failure.
const lastMost = 30

// noLog counts lines that are not log lines, such as those of a panic.
const noLog = "lines that are no log"

type line struct {
	Level, Msg, API, Probes, Admin string
	Deliveries                     int
}

func newJournal() *journal {
	return &journal{ready: make(chan line, 1), counts: map[string]int{}}
}

// note processes one line.
func (j *journal) note(text []byte) {
	if bytes.Contains(text, []byte(`"msg":"attempt"`)) {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var l line
	switch err := json.Unmarshal(text, &l); {
	case err != nil: // for example, a panic
		l.Msg = noLog
	case l.Msg == "ready":
		j.ready <- l
		return
	case strings.HasPrefix(l.Msg, "took over"):
		j.tookOver += l.Deliveries
		return
	case l.Level != "WARN" && l.Level != "ERROR" && !strings.HasPrefix(l.Msg, "could not "):
		return
	}
	j.counts[l.Msg]++
	if j.last = append(j.last, string(text)); len(j.last) > lastMost {
		j.last = j.last[1:]
		j.remainder++
	}
}

// silences is how often the node got no response because the machine was too busy. It then can't
// know what was done, so leases may run out although nothing is wrong.
func (j *journal) silences() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	sum := 0
	for message, n := range j.counts {
		if strings.HasPrefix(message, "Redis can't be used") || strings.HasPrefix(message, "could not claim") {
			sum += n
		}
	}
	return sum
}

func (j *journal) takenOver() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tookOver
}

// isClean reports whether all output is log lines.
func (j *journal) isClean() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.counts[noLog] == 0
}

// warnings returns the last warnings of the node, and the number of each.
func (j *journal) warnings() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var b strings.Builder
	for _, message := range slices.Sorted(maps.Keys(j.counts)) {
		fmt.Fprintf(&b, "  %d times: %s\n", j.counts[message], message)
	}
	if j.remainder > 0 {
		fmt.Fprintf(&b, "  … %d lines, and then:\n", j.remainder)
	}
	for _, text := range j.last {
		fmt.Fprintf(&b, "  %s\n", text)
	}
	return b.String()
}
