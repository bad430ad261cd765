package match

import "strconv"

// checkOperand returns an error if the event's values cannot be compared with v.
func (s scope) checkOperand(v value) error {
	switch v.kind() {
	case '"':
		return nil
	case '[', '{':
		return s.checkLiteral(v)
	case '0':
		if e := readDecimal(v.raw(), nil).exponent; e > MaxExponent || e < -MaxExponent {
			return s.invalid("has an exponent beyond %d", MaxExponent)
		}
	}
	if s.leaf != "" {
		return s.invalid("is compared with %s; write it in quotes", s.leaf)
	}
	return nil
}

// checkLiteral checks the values in an array or an object.
func (s scope) checkLiteral(v value) error {
	if s.depth >= MaxDepth {
		return tooDeep(s)
	}
	if v.kind() == '[' {
		i := 0
		for entry := range v.elements() {
			if err := s.at(strconv.Itoa(i)).checkOperand(entry); err != nil {
				return err
			}
			i++
		}
		return nil
	}
	for name, member := range v.members() {
		at := s.at(string(name.text()))
		if isOperator(string(name.text())) {
			return at.invalid("is an operator inside a fixed value; put operators at the end of a path, not in an array or in $eq")
		}
		if err := at.checkOperand(member); err != nil {
			return err
		}
	}
	return nil
}

func isOperator(name string) bool {
	switch name {
	case "$and", "$or", "$not", "$neq", "$nin", "$contains", "$exist":
		return true
	}
	return name != "" && comparerOf(name) != nil
}
