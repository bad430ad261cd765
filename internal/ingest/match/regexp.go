package match

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

func matchesRegexp(c *compiler, v value, s scope) (comparison, error) {
	if v.kind() != '"' {
		return comparison{}, s.invalid("must be a string")
	}
	pattern := string(v.text())
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return comparison{}, s.invalid("is not a regular expression of RE2's syntax: %s", regexpFault(err))
	}
	weight := weigh(parsed)
	c.weight += weight
	if c.weight > MaxRegexpWeight {
		return comparison{}, s.invalid("makes the filter's regular expressions too large: %d instructions together; at most %d are allowed", c.weight, MaxRegexpWeight)
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return comparison{}, s.invalid("is not a regular expression of RE2's syntax: %s", regexpFault(err))
	}
	if _, literal := compiled.LiteralPrefix(); literal {
		weight = 0 // a literal is found as fast as by $contains
	}
	holds := func(x value) bool { return x.kind() == '"' && compiled.Match(x.text()) }
	return comparison{wants: "a string that matches " + quote(v), weight: weight * regexpSteps, holds: holds}, nil
}

// regexpSteps is how many steps an instruction costs for bytesPerStep bytes of a string.
const regexpSteps = 8

func regexpFault(err error) string {
	return event.Clip(strings.TrimPrefix(err.Error(), "error parsing regexp: "), event.MaxQuoted)
}

// weigh returns an upper estimate of how many instructions an expression compiles to. It counts the
// copies that a repetition needs without making them. Large character classes count for more,
// because they take memory.
func weigh(re *syntax.Regexp) int {
	weight := 1 + len(re.Rune)/32
	if re.Op == syntax.OpLiteral {
		weight = len(re.Rune)
	}
	for _, sub := range re.Sub {
		weight += weigh(sub)
	}
	if re.Op == syntax.OpRepeat {
		weight *= max(re.Min, re.Max, 1)
	}
	return weight
}
