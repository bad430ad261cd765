package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// Faults is everything that is wrong with the settings: a sentence each, which
// says what was found and what to change. No sentence holds a secret.
type Faults []string

func (f Faults) Error() string {
	if len(f) == 1 {
		return f[0]
	}
	return fmt.Sprintf("%d things are wrong with the settings:\n- %s", len(f), strings.Join(f, "\n- "))
}

// OfFlags reports whether flags alone are at fault: the command was called wrongly. A
// sentence about a flag begins with it.
func (f Faults) OfFlags() bool {
	return !slices.ContainsFunc(f, func(fault string) bool { return !strings.HasPrefix(fault, "--") })
}

// sentence says what is wrong with a setting: why goes on after "which" or "that".
func (f found) sentence(d declaration, why error) string {
	if d.secret {
		return fmt.Sprintf("%s has a value that %v.", f.label, why)
	}
	return fmt.Sprintf("%s is %q, which %v.", f.label, event.Clip(f.text, event.MaxQuoted), why)
}
