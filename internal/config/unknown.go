package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// unknown finds variables that look like settings and are none: most likely a
// slip of the pen, and a setting that silently has no effect.
func (ls layers) unknown(declared []declaration) (faults []string) {
	known := map[string]bool{}
	for _, d := range declared {
		known[d.name] = true
		known[d.name+"_FILE"] = d.secret
	}
	for _, l := range ls {
		for _, name := range slices.Sorted(maps.Keys(l.entries)) {
			if !isOurs(name) || known[name] || isServiceLink(name, l.entries[name].text) {
				continue
			}
			advice := "`hookferry config` prints those there are. Remove it."
			near, changes := nearest(name, known)
			if _, stem := cutPrefix(near); changes <= 1+len(stem)/4 {
				advice = "did you mean " + near + "? Rename it, or remove it."
			}
			faults = append(faults, fmt.Sprintf("%s is not a setting: %s", l.place(name), advice))
		}
	}
	return faults
}

var ourPrefixes = []string{"HOOKFERRY_", "WEBHOOK_"}

func isOurs(name string) bool {
	prefix, _ := cutPrefix(name)
	return prefix != ""
}

var (
	linkName = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)
	linkURL  = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// isServiceLink recognises the variables that Kubernetes puts into each pod of a
// namespace with a service called hookferry or webhook: HOOKFERRY_SERVICE_HOST,
// HOOKFERRY_PORT=tcp://10.0.0.1:8000, HOOKFERRY_PORT_8000_TCP_ADDR and so on.
// Nobody wrote them, so nobody could put them right.
func isServiceLink(name, text string) bool {
	return linkName.MatchString(name) || strings.HasSuffix(name, "_PORT") && linkURL.MatchString(text)
}

// nearest returns the known name that the fewest changes make of name, and how many
// they are; of several such, the first in the alphabet.
func nearest(name string, known map[string]bool) (best string, fewest int) {
	fewest = len(name) + 100
	for _, candidate := range slices.Sorted(maps.Keys(known)) {
		if !known[candidate] {
			continue
		}
		if n := distance(event.Clip(name, event.MaxQuoted), candidate); n < fewest {
			best, fewest = candidate, n
		}
	}
	return best, fewest
}

// distance is how many changes lie between two names. A prefix is easily mixed up
// with another or with none (HOOKFERRY_LOG_LEVEL), so it counts as one change.
func distance(a, b string) int {
	prefixA, stemA := cutPrefix(a)
	prefixB, stemB := cutPrefix(b)
	n := editDistance(stemA, stemB)
	if prefixA != prefixB {
		n++
	}
	return n
}

func cutPrefix(name string) (prefix, stem string) {
	for _, prefix := range ourPrefixes {
		if stem, found := strings.CutPrefix(name, prefix); found {
			return prefix, stem
		}
	}
	return "", name
}

// editDistance counts the bytes to be inserted, deleted or replaced to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // distances of what of a is done to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
