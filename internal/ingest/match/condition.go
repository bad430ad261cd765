package match

import "bytes"

// condition is a part of a filter. It never changes once it is compiled.
type condition interface {
	// holds reports whether the condition holds for a value, which may be absent.
	holds(e *Event, v value) bool
	// why explains why the condition does not hold for the value.
	why(e *Event, v value, p place) string
}

// spend uses steps, and reports whether enough were left. If not, the filter does not match,
// whatever its conditions return.
func (e *Event) spend(steps int) bool {
	e.steps -= steps
	return e.steps >= 0
}

// bytesPerStep is how many bytes of a string are read in one step.
const bytesPerStep = 32

// roots are the top level of a filter: conditions on parts of the event.
type roots []named

type named struct {
	name      string
	condition condition
}

func (c roots) holds(e *Event, _ value) bool {
	for _, root := range c {
		if !root.condition.holds(e, e.root(root.name)) {
			return false
		}
	}
	return true
}

// broken never holds. It is the error that says why.
type broken string

func (broken) holds(*Event, value) bool { return false }

// members are paths: conditions on the members of an object. For an array, all must hold for
// the same element. Members of any other value are absent.
type members []named

func (c members) holds(e *Event, v value) bool {
	if v.kind() != '[' {
		return c.holdFor(e, v)
	}
	return anyElement(e, v, c.holds)
}

func (c members) holdFor(e *Event, v value) bool {
	for _, m := range c {
		if !e.spend(lookupSteps(v)) || !m.condition.holds(e, v.member(m.name)) {
			return false
		}
	}
	return true
}

// lookupSteps returns how many steps it costs to find a member by its name.
func lookupSteps(v value) int {
	if v.kind() != '{' {
		return 1
	}
	return 1 + min(largeObject, int(v.node().next-v.at)/2)/4
}

// anyElement reports whether a condition holds for one of an array's elements.
func anyElement(e *Event, array value, holds func(*Event, value) bool) bool {
	for element := range array.elements() {
		if !e.spend(1) {
			return false
		}
		if holds(e, element) {
			return true
		}
	}
	return false
}

// comparisons are the comparisons of one object. All must hold for the same value: the one at
// their path or, if that is an array, one of its elements. None holds for an absent value.
type comparisons []comparison

type comparison struct {
	operator string // "" for a plain value, which means $eq
	wants    string // a description of the wanted value
	weight   int    // steps for each bytesPerStep bytes of a value; 0 means 1
	base     int    // additional steps for each value
	operand  int    // size of the filter's value in bytes
	holds    func(v value) bool
}

func (c comparisons) holds(e *Event, v value) bool {
	switch {
	case v.kind() == 0:
		return false
	case c.holdFor(e, v):
		return true
	}
	return v.kind() == '[' && anyElement(e, v, c.holds)
}

func (c comparisons) holdFor(e *Event, v value) bool {
	for i := range c {
		if !e.spend(c[i].steps(v)) || !c[i].holds(v) {
			return false
		}
	}
	return true
}

// steps returns the largest number of steps that a comparison costs.
func (c *comparison) steps(v value) int {
	size := v.size() * max(1, c.weight)
	if kind := v.kind(); kind == '[' || kind == '{' {
		size = wholeSteps * min(v.size(), c.operand) // comparing stops at the end of the shorter one
	}
	return 1 + c.base + size/bytesPerStep
}

// wholeSteps is how much more a byte of an array or an object costs than one of a string.
const wholeSteps = 4

// contains is $contains: a string within a string, or an element of an array.
type contains struct {
	text    []byte // nil if the operand is not a string
	operand value
	wants   string
}

func (c *contains) holds(e *Event, v value) bool {
	switch v.kind() {
	case '"':
		return e.spend(1+v.size()/bytesPerStep) && c.text != nil && bytes.Contains(v.text(), c.text)
	case '[':
		return anyElement(e, v, func(e *Event, element value) bool {
			return e.spend(1+wholeSteps*min(element.size(), c.operand.size())/bytesPerStep) && equal(element, c.operand)
		})
	}
	return false
}

// presence is $exist. null is present.
type presence bool

func (c presence) holds(_ *Event, v value) bool { return (v.kind() != 0) == bool(c) }

// negation is $not, $neq or $nin. It holds if and only if the inner condition does not.
type negation struct {
	operator string
	wants    string
	within   condition
}

func (c *negation) holds(e *Event, v value) bool { return !c.within.holds(e, v) }

// all holds if each of its conditions holds, evaluated separately. The conditions are those of $and,
// or the operators of one object.
type all struct {
	operator   string // "$and", or "" for an object's operators
	conditions []condition
}

func (c *all) holds(e *Event, v value) bool {
	for _, within := range c.conditions {
		if !e.spend(1) || !within.holds(e, v) {
			return false
		}
	}
	return true
}

// anyOf is $or.
type anyOf []condition

func (c anyOf) holds(e *Event, v value) bool {
	for _, within := range c {
		if !e.spend(1) {
			return false
		}
		if within.holds(e, v) {
			return true
		}
	}
	return false
}
