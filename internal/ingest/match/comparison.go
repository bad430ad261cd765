package match

import (
	"bytes"
)

// comparer compiles an operator that compares the event's value with the filter's.
type comparer func(c *compiler, v value, s scope) (comparison, error)

// comparerOf returns nil for an operator that does not compare. A plain value has no operator
// and means $eq.
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

// ordered compares numbers by value and strings by code point, which is also the order of their
// bytes in UTF-8.
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

// affix takes a string, or an array of strings of which one must fit.
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
