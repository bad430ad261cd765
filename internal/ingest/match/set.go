package match

import (
	"fmt"

	"github.com/hookferry/hookferry/internal/event"
)

// set holds the values of $in. Looking up a string or a number takes constant time.
type set struct {
	texts, numbers map[string]bool
	others         []value // null, true, false, arrays and objects
}

func in(_ *compiler, v value, s scope) (comparison, error) {
	if v.kind() == '"' {
		return comparison{}, s.invalid("must be an array, in brackets; to find a substring, write $contains")
	}
	if err := checkArray(v, s); err != nil {
		return comparison{}, err
	}
	if err := s.checkOperand(v); err != nil {
		return comparison{}, err
	}
	members := set{texts: map[string]bool{}, numbers: map[string]bool{}}
	for entry := range v.elements() {
		members.add(entry)
	}
	words := fmt.Sprintf("one of %s", event.Clip(string(v.raw()), event.MaxQuoted))
	return comparison{wants: words, base: 3 * len(members.others), holds: members.has}, nil
}

func (s *set) add(v value) {
	switch v.kind() {
	case '"':
		s.texts[string(v.text())] = true
	case '0':
		s.numbers[string(readDecimal(v.raw(), nil).appendKey(nil))] = true
	default:
		s.others = append(s.others, v)
	}
}

func (s *set) has(v value) bool {
	switch v.kind() {
	case '"':
		return s.texts[string(v.text())]
	case '0':
		var digits, key digitsBuffer
		return s.numbers[string(readDecimal(v.raw(), digits[:0]).appendKey(key[:0]))]
	}
	for _, o := range s.others {
		if equal(v, o) {
			return true
		}
	}
	return false
}
