package match

import "strings"

// compiler compiles one filter. It counts the conditions and the weight of regular expressions,
// because both have a limit.
type compiler struct{ conditions, weight int }

// condition compiles the value of a path, or of an operator that takes conditions.
func (c *compiler) condition(v value, s scope) (condition, error) {
	switch {
	case s.depth > MaxDepth:
		return nil, tooDeep(s)
	case v.kind() == '{':
		return c.object(v, s)
	case s.top:
		return nil, s.invalid(`must be an object like {"data": {"amount": {"$gt": 100}}}`)
	}
	if err := c.count(s); err != nil {
		return nil, err
	}
	plain, err := c.comparison("", v, s)
	return comparisons{plain}, err
}

func (c *compiler) count(s scope) error {
	c.conditions++
	if c.conditions > MaxConditions {
		return s.invalid("exceeds the limit of conditions; at most %d are allowed", MaxConditions)
	}
	return nil
}

// object compiles an object, which holds either operators or paths.
func (c *compiler) object(v value, s scope) (condition, error) {
	operators, paths := 0, ""
	for name := range v.members() {
		if n := string(name.text()); strings.HasPrefix(n, "$") {
			operators++
		} else {
			paths = n
		}
	}
	empty := v.node().next == v.at+1
	switch {
	case empty && s.depth == 0:
		return roots{}, nil
	case empty:
		return nil, s.invalid(`is empty, so it has no condition; write {"$exist": true} for any value, or {"$eq": {}} for an empty object`)
	case operators > 0 && paths != "":
		return nil, s.at(paths).invalid(`is in one object with an operator; put both in an array: {"$and": [{…}, {…}]}`)
	case operators > 0:
		return c.operators(v, s)
	}
	return c.paths(v, s)
}

func (c *compiler) paths(v value, s scope) (condition, error) {
	var list []named
	for name, member := range v.members() {
		below, err := s.below(string(name.text()))
		if err != nil {
			return nil, err
		}
		within, err := c.condition(member, below)
		if err != nil {
			return nil, err
		}
		list = append(list, named{string(name.text()), within})
	}
	if s.top {
		return roots(list), nil
	}
	return members(list), nil
}

// operators compiles the operators of one object. Those that compare become one condition,
// because they must hold for the same element of an array.
func (c *compiler) operators(v value, s scope) (condition, error) {
	var same comparisons
	var each []condition
	for name, operand := range v.members() {
		operator := string(name.text())
		at := s.at(operator)
		if s.top && operator != "$and" && operator != "$or" && operator != "$not" {
			return nil, at.invalid(`is at the top level; first name a part of the event, as in {"data": {"amount": {"$gt": 100}}}`)
		}
		if err := c.count(at); err != nil {
			return nil, err
		}
		if comparerOf(operator) != nil {
			one, err := c.comparison(operator, operand, at)
			if err != nil {
				return nil, err
			}
			same = append(same, one)
			continue
		}
		other, err := c.operator(operator, operand, at)
		if err != nil {
			return nil, err
		}
		each = append(each, other)
	}
	if len(same) > 0 {
		each = append([]condition{same}, each...)
	}
	if len(each) == 1 {
		return each[0], nil
	}
	return &all{conditions: each}, nil
}

// operator compiles an operator that does not compare.
func (c *compiler) operator(name string, v value, s scope) (condition, error) {
	switch name {
	case "$and":
		list, err := c.list(v, s)
		return &all{operator: name, conditions: list}, err
	case "$or":
		list, err := c.list(v, s)
		return anyOf(list), err
	case "$not":
		within, err := c.condition(v, s)
		return &negation{operator: name, within: within}, err
	case "$neq", "$nin":
		within, err := c.comparison(strings.Replace(name, "n", "", 1), v, s)
		return &negation{operator: name, wants: "anything but " + within.wants, within: comparisons{within}}, err
	case "$contains":
		return c.contains(v, s)
	case "$exist":
		if v.kind() != 't' && v.kind() != 'f' {
			return nil, s.invalid("must be true or false")
		}
		return presence(v.kind() == 't'), nil
	}
	if hint := hints[name]; hint != "" {
		return nil, s.invalid("is not an operator; %s", hint)
	}
	return nil, s.invalid("is not an operator; the operators are $eq, $neq, $gt, $gte, $lt, $lte, $in, $nin, $exist, $startsWith, $endsWith, $contains, $regex, $and, $or and $not")
}

// hints are for operators of other filter languages.
var hints = map[string]string{
	"$ne": "write $neq", "$exists": "write $exist", "$notIn": "write $nin", "$ref": "a filter compares with fixed values only",
	"$nor": `write {"$not": {"$or": […]}}`, "$all": `write {"$and": […]}`, "$elemMatch": "a path into an array means any of its elements",
	"$like": "write $contains, $startsWith, $endsWith or $regex", "$options": "write (?i) at the beginning of $regex",
}

// list compiles the conditions of $and or $or.
func (c *compiler) list(v value, s scope) ([]condition, error) {
	if err := checkArray(v, s); err != nil {
		return nil, err
	}
	var list []condition
	for entry := range v.elements() {
		at := s.entry(len(list))
		within, err := c.condition(entry, at)
		if err != nil {
			return nil, err
		}
		list = append(list, within)
	}
	return list, nil
}

// checkArray returns an error unless v is an array with a permitted number of entries.
func checkArray(v value, s scope) error {
	switch {
	case v.kind() != '[':
		return s.invalid("must be an array, in brackets")
	case v.node().next == v.at+1:
		return s.invalid("is an empty array; give it an entry, or omit it")
	case s.depth >= MaxDepth:
		return tooDeep(s)
	}
	entries := 0
	for range v.elements() {
		entries++
	}
	if entries > MaxAlternatives {
		return s.invalid("has %d entries; at most %d are allowed", entries, MaxAlternatives)
	}
	return nil
}
