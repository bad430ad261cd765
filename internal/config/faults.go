package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// Faults lists everything that is wrong with the settings. Each fault is a sentence that says what
// was found and what to change. It contains no secrets.
type Faults []string

func (f Faults) Error() string {
	if len(f) == 1 {
		return f[0]
	}
	return fmt.Sprintf("%d settings are wrong:\n- %s", len(f), strings.Join(f, "\n- "))
}

// OfFlags reports whether only flags are wrong, so that the usage of the command is wrong. A
// sentence about a flag begins with the flag.
func (f Faults) OfFlags() bool {
	return !slices.ContainsFunc(f, func(fault string) bool { return !strings.HasPrefix(fault, "--") })
}

// sentence says what is wrong with a setting. why continues a sentence after "which" or "that".
func (f foundSetting) sentence(d declaration, why error) string {
	if d.secret {
		return fmt.Sprintf("%s has a value that %v.", f.label, why)
	}
	return fmt.Sprintf("%s is %q, which %v.", f.label, event.Clip(f.text, event.MaxQuoted), why)
}
