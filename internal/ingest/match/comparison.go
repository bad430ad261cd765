package match

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// comparer compiles one operator that compares a value with the filter's.
type comparer func(c *compiler, v value, s scope) (comparison, error)

// comparerOf returns nil for an operator that does not compare. A plain value, which has no
// operator, means $eq.
func comparerOf(operator string) comparer {
	switch operator {
	case "", "$eq":
		return equals
	case "$in":
		return in
	case "$gt":
		return greater
	case "$gte":
		return atLeast
	case "$lt":
		return less
	case "$lte":
		return atMost
	case "$startsWith":
		return startsWith
	case "$endsWith":
		return endsWith
	case "$regex":
		return matchesRegexp
	}
	return nil
}

func (c *compiler) comparison(operator string, v value, s scope) (comparison, error) {
	made, err := comparerOf(operator)(c, v, s)
	made.operator, made.operand = operator, v.size()
	return made, err
}

func equals(_ *compiler, v value, s scope) (comparison, error) {
	if err := s.checkOperand(v); err != nil {
		return comparison{}, err
	}
	holds := func(x value) bool { return equal(x, v) }
	switch v.kind() {
	case '"':
		text := string(v.text())
		holds = func(x value) bool { return x.kind() == '"' && x.isText(text) }
	case '0':
		number := readDecimal(v.raw(), nil)
		holds = func(x value) bool { return x.kind() == '0' && x.compare(number) == 0 }
	}
	return comparison{wants: quote(v), holds: holds}, nil
}

// compare compares a number of the event with one of the filter.
func (v value) compare(number decimal) int {
	var digits digitsBuffer
	return readDecimal(v.raw(), digits[:0]).compare(number)
}

func greater(_ *compiler, v value, s scope) (comparison, error) {
	return ordered(v, s, "more than ", func(order int) bool { return order > 0 })
}

func atLeast(_ *compiler, v value, s scope) (comparison, error) {
	return ordered(v, s, "at least ", func(order int) bool { return order >= 0 })
}

func less(_ *compiler, v value, s scope) (comparison, error) {
	return ordered(v, s, "less than ", func(order int) bool { return order < 0 })
}

func atMost(_ *compiler, v value, s scope) (comparison, error) {
	return ordered(v, s, "at most ", func(order int) bool { return order <= 0 })
}

// ordered compares numbers with numbers, by what they amount to, and strings with strings, by
// their code points, which is the order of their bytes in UTF-8.
func ordered(v value, s scope, words string, right func(order int) bool) (comparison, error) {
	if err := s.checkOperand(v); err != nil {
		return comparison{}, err
	}
	made := comparison{wants: words + quote(v)}
	switch v.kind() {
	case '0':
		number := readDecimal(v.raw(), nil)
		made.holds = func(x value) bool { return x.kind() == '0' && right(x.compare(number)) }
	case '"':
		text := v.text()
		made.holds = func(x value) bool { return x.kind() == '"' && right(bytes.Compare(x.text(), text)) }
	default:
		return comparison{}, s.invalid("must be a number or a string")
	}
	return made, nil
}

func startsWith(_ *compiler, v value, s scope) (comparison, error) {
	return affix(v, s, "a string that begins with ", bytes.HasPrefix)
}

func endsWith(_ *compiler, v value, s scope) (comparison, error) {
	return affix(v, s, "a string that ends with ", bytes.HasSuffix)
}

// affix takes one text, or an array of which one is enough.
func affix(v value, s scope, words string, has func(text, affix []byte) bool) (comparison, error) {
	var affixes [][]byte
	switch v.kind() {
	case '"':
		affixes = [][]byte{v.text()}
	case '[':
		if err := checkArray(v, s); err != nil {
			return comparison{}, err
		}
		for entry := range v.elements() {
			if entry.kind() != '"' {
				return comparison{}, s.entry(len(affixes)).invalid("must be a string")
			}
			affixes = append(affixes, entry.text())
		}
		words += "one of "
	default:
		return comparison{}, s.invalid("must be a string, or an array of strings")
	}
	holds := func(x value) bool {
		if x.kind() != '"' {
			return false
		}
		text := x.text()
		for _, a := range affixes {
			if has(text, a) {
				return true
			}
		}
		return false
	}
	return comparison{wants: words + quote(v), base: len(affixes) / 4, holds: holds}, nil
}

func (c *compiler) contains(v value, s scope) (condition, error) {
	if err := s.checkOperand(v); err != nil {
		return nil, err
	}
	if v.kind() != '"' {
		return &contains{operand: v, wants: "an array that holds " + quote(v)}, nil
	}
	return &contains{operand: v, text: v.text(), wants: "a string or an array that contains " + quote(v)}, nil
}

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
		weight = 0 // it is found as fast as by $contains
	}
	holds := func(x value) bool { return x.kind() == '"' && compiled.Match(x.text()) }
	return comparison{wants: "a string that matches " + quote(v), weight: weight * regexpSteps, holds: holds}, nil
}

// regexpSteps is what an instruction costs for bytesPerStep bytes of a string.
const regexpSteps = 8

func regexpFault(err error) string {
	return event.Clip(strings.TrimPrefix(err.Error(), "error parsing regexp: "), event.MaxQuoted)
}

// weigh returns how many instructions an expression compiles to, or somewhat more. It counts
// the copies that a repetition makes without making them, and the ranges of large character
// classes, because they take memory.
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
