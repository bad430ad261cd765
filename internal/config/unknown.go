package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// unknown finds variables that look like settings and are none. A fault is a slip of the pen that
// would silently have no effect; a warning is about what may be another program's.
func (ls layers) unknown(declared []declaration) (faults, warnings []string) {
	for _, l := range ls {
		for _, name := range slices.Sorted(maps.Keys(l.entries)) {
			if isKnown(declared, name) || isServiceLink(name, l.entries[name].text) {
				continue
			}
			fault, warning := ls.judge(l, name, declared)
			if fault != "" {
				faults = append(faults, fault)
			}
			if warning != "" {
				warnings = append(warnings, warning)
			}
		}
	}
	return faults, warnings
}

func isKnown(declared []declaration, name string) bool {
	return slices.ContainsFunc(declared, func(d declaration) bool { return d.name == name || d.secret && d.name+"_FILE" == name })
}

// judge decides about one variable. HOOKFERRY_ is our own: what begins with it and is no setting is
// a fault. Others are one if they are close to a setting that is not set, and have a value that
// this setting takes.
func (ls layers) judge(l layer, name string, declared []declaration) (fault, warning string) {
	text, _ := l.text(name)
	meant, isGuess := guessed(name)
	if !isGuess {
		meant = near(name, declared)
	}
	isOurs, isSet := strings.HasPrefix(name, "HOOKFERRY_"), ls.decided(meant)
	isForeignGuess := isGuess && !strings.HasPrefix(name, "WEBHOOK_")
	switch {
	case isOurs && meant == "":
		return l.place(name) + " is not a setting: `hookferry config` prints those there are. Remove it.", ""
	case isOurs:
		return fmt.Sprintf("%s is not a setting: did you mean %s? Rename it, or remove it.", l.place(name), shownAs(meant, text)), ""
	case text == "" || isForeignGuess && isSet:
		return "", ""
	case meant == "" && strings.HasPrefix(name, "WEBHOOK_"):
		return "", l.place(name) + " is not a setting, and is not read; `hookferry config` prints those there are."
	case meant == "":
		return "", ""
	case !isSet && takes(meant, text):
		return fmt.Sprintf("%s is not a setting: did you mean %s? Rename it; or if another program reads it, set %s, too.", l.place(name), shownAs(meant, text), meant), ""
	}
	return "", fmt.Sprintf("%s is not a setting, and is not read; did you mean %s?", l.place(name), shownAs(meant, text))
}

// decided reports whether a setting is set anywhere. --data decides which database it is.
func (ls layers) decided(name string) bool {
	return slices.ContainsFunc(ls, func(l layer) bool {
		text, isSet := l.text(name)
		file, _ := l.text(name + "_FILE")
		_, byData := l.entries["HOOKFERRY_DATA"]
		return isSet && text != "" || file != "" || name == "DATABASE_URL" && l.source == FromFlag && byData
	})
}

// takes reports whether a text is one of a setting's values. Of the file of a secret any path is.
func takes(name, text string) bool {
	for _, d := range declarations(&Config{}) {
		if d.name == name {
			return d.value.read(text) == nil
		}
	}
	return true
}

// shownAs is a setting with the value that a port alone becomes.
func shownAs(name, text string) string {
	if name == "HOOKFERRY_ADDR" && text != "" && strings.Trim(text, "0123456789") == "" {
		return name + "=:" + event.Clip(text, event.MaxQuoted)
	}
	return name
}

var ourPrefixes = []string{"HOOKFERRY_", "WEBHOOK_"}

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

// near returns the setting that the fewest changes make of name, or "" if these are too many to be
// slips; of several such, the first in the alphabet. Without a prefix more than a name that has
// none may be meant, but that would be every other program's TIMEOUT.
func near(name string, declared []declaration) string {
	prefix, stem := cutPrefix(name)
	best, fewest := "", 1+len(stem)/4
	if prefix == "" {
		fewest = len(stem) / 5
	}
	for _, candidate := range candidates(declared) {
		if candidatePrefix, _ := cutPrefix(candidate); prefix == "" && candidatePrefix != "" {
			continue
		}
		if n := distance(event.Clip(name, event.MaxQuoted), candidate); n < fewest || best == "" && n == fewest {
			best, fewest = candidate, n
		}
	}
	return best
}

// candidates are all names that are read, in order.
func candidates(declared []declaration) (names []string) {
	for _, d := range declared {
		names = append(names, d.name)
		if d.secret {
			names = append(names, d.name+"_FILE")
		}
	}
	slices.Sort(names)
	return names
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

// editDistance counts the bytes to be inserted, deleted, replaced or swapped with the next to make b
// of a.
func editDistance(a, b string) int {
	var before []int             // the row before row
	row := make([]int, len(b)+1) // distances of what of a is done to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			replace := row[j]
			if a[i] != b[j] {
				replace++
			}
			next[j+1] = min(replace, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
