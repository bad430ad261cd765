package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// ofCommands are variables of the commands that call a running service, which is not started by them.
// The service ignores them, so that both can share an environment.
var ofCommands = []string{"HOOKFERRY_URL", "HOOKFERRY_TOKEN"}

// unknown returns faults and warnings about variables that look like settings but are not. A fault
// is a typo that would silently have no effect. A warning is about a variable that may belong to
// another program.
func (ls layers) unknown(declared []declaration) (faults, warnings []string) {
	for _, l := range ls {
		for _, name := range slices.Sorted(maps.Keys(l.entries)) {
			if isKnown(declared, name) || slices.Contains(ofCommands, name) || isServiceLink(name, l.entries[name].text) {
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

// judge judges one variable. The prefix HOOKFERRY_ is our own, so a variable with it that is not a
// setting is a fault. Another variable is a fault if its name is close to a setting that is not
// set, and its value is valid for that setting.
func (ls layers) judge(l layer, name string, declared []declaration) (fault, warning string) {
	text, _ := l.text(name)
	meant, isGuess := guessed(name)
	if !isGuess {
		meant = closestSetting(name, declared)
	}
	isOurs, isSet := strings.HasPrefix(name, "HOOKFERRY_"), ls.isDecided(meant)
	isForeignGuess := isGuess && !strings.HasPrefix(name, "WEBHOOK_")
	switch {
	case isOurs && meant == "":
		return l.place(name) + " is not a setting: remove it. `hookferry config` lists all settings.", ""
	case isOurs:
		return fmt.Sprintf("%s is not a setting: did you mean %s? Rename it, or remove it.", l.place(name), suggestion(meant, text)), ""
	case text == "" || isForeignGuess && isSet:
		return "", ""
	case meant == "" && strings.HasPrefix(name, "WEBHOOK_"):
		return "", l.place(name) + " is not a setting, and is ignored; `hookferry config` lists all settings."
	case meant == "":
		return "", ""
	case !isSet && accepts(meant, text):
		return fmt.Sprintf("%s is not a setting: did you mean %s? Rename it, or if another program uses it, also set %s.", l.place(name), suggestion(meant, text), meant), ""
	}
	return "", fmt.Sprintf("%s is not a setting, and is ignored; did you mean %s?", l.place(name), suggestion(meant, text))
}

// isDecided reports whether any source sets a setting. --data counts as setting the database.
func (ls layers) isDecided(name string) bool {
	return slices.ContainsFunc(ls, func(l layer) bool {
		text, isSet := l.text(name)
		file, _ := l.text(name + "_FILE")
		_, byData := l.entries["HOOKFERRY_DATA"]
		return isSet && text != "" || file != "" || name == "DATABASE_URL" && l.source == FromFlag && byData
	})
}

// accepts reports whether a text is a valid value of a setting. Any path is valid for the file of a
// secret.
func accepts(name, text string) bool {
	for _, d := range declarations(&Config{}) {
		if d.name == name {
			return d.value.read(text) == nil
		}
	}
	return true
}

// suggestion returns a setting, with a value if the text is a bare port.
func suggestion(name, text string) string {
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

// isServiceLink recognizes the variables that Kubernetes puts into each pod of a namespace with a
// service called hookferry or webhook: HOOKFERRY_SERVICE_HOST, HOOKFERRY_PORT=tcp://10.0.0.1:8000,
// HOOKFERRY_PORT_8000_TCP_ADDR and so on. Kubernetes sets them, so people can't fix them.
func isServiceLink(name, text string) bool {
	return linkName.MatchString(name) || strings.HasSuffix(name, "_PORT") && linkURL.MatchString(text)
}

// closestSetting returns the setting with the smallest distance to name, or "" if that is too large
// for a typo. Of several, it returns the first in alphabetical order. A name without a prefix is
// compared only with settings without one: otherwise every other program's TIMEOUT would match.
func closestSetting(name string, declared []declaration) string {
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

// candidates returns all names of settings, sorted.
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

// distance is the number of edits between two names. A wrong or missing prefix
// (HOOKFERRY_LOG_LEVEL) is a common mistake, so it counts as one edit.
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

// editDistance counts the bytes to insert, delete, replace, or swap with the next one, to turn a
// into b.
func editDistance(a, b string) int {
	var before []int             // the previous row
	row := make([]int, len(b)+1) // the distance from the first i bytes of a to each prefix of b
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
