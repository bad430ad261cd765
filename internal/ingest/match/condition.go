package match

import (
	"bytes"
	"strconv"
)

// condition is a part of a filter. It never changes once it is compiled.
type condition interface {
	// holds judges a value, which may be absent.
	holds(e *Event, v value) bool
	// why says in words why it does not hold for the value.
	why(e *Event, v value, p place) string
}

// spend takes steps of those that the filter may still take for this event, and reports
// whether there were enough. If not, the filter's result counts for nothing.
func (e *Event) spend(steps int) bool {
	e.steps -= steps
	return e.steps >= 0
}

// bytesPerStep is how much of a string can be looked at in one step.
const bytesPerStep = 32

// roots are what stands at the top of a filter: conditions on parts of the event.
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

// members are paths: conditions on the members of an object. Those of an array must hold
// for the same element of it. What is no object has no members, so each is absent.
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

// lookupSteps is what it costs to find one member by its name.
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

// comparisons stand in one object, and hold for the same value: the one at their path or,
// if that is an array, one of its elements. None holds for an absent one.
type comparisons []comparison

type comparison struct {
	operator string // "" for a plain value, which means $eq
	wants    string // what it wants, in words
	weight   int    // steps for each bytesPerStep bytes of a value; 0 means 1
	base     int    // steps for each value, beside one
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

// steps is what a comparison may cost.
func (c *comparison) steps(v value) int {
	size := v.size() * max(1, c.weight)
	if kind := v.kind(); kind == '[' || kind == '{' {
		size = wholeSteps * min(v.size(), c.operand) // it ends with the shorter one
	}
	return 1 + c.base + size/bytesPerStep
}

// wholeSteps is how much more it costs to compare the bytes of an array or an object than
// those of a string.
const wholeSteps = 4

// contains is $contains: a string within a string, or an element of an array.
type contains struct {
	text    []byte // nil if the operand is no text
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

// presence is $exist. What is null is present.
type presence bool

func (c presence) holds(_ *Event, v value) bool { return (v.kind() != 0) == bool(c) }

// negation is $not, $neq or $nin: it holds exactly if the condition within does not.
type negation struct {
	operator string
	wants    string
	within   condition
}

func (c *negation) holds(e *Event, v value) bool { return !c.within.holds(e, v) }

// all holds if each condition does, each for itself: those of $and, or the operators that
// stand in one object.
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

// place is where a condition stands, for people: in the filter and in the event.
type place struct{ filter, event string }

func (p place) member(name string) place {
	event := p.event + "[" + strconv.Quote(name) + "]"
	switch {
	case p.event == "":
		event = name
	case isPlain(name):
		event = p.event + "." + name
	}
	return place{filter: p.filter + "/" + escapePointer(name), event: event}
}

// operator is a place one operator deeper in the filter, at the same one in the event.
func (p place) operator(name string) place {
	if name != "" {
		p.filter += "/" + name
	}
	return p
}

func (p place) entry(i int) place { return p.operator(strconv.Itoa(i)) }

// isPlain reports whether a name can stand behind a dot without being misread.
func isPlain(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c == '.' || c == '"' || c == '[' || c >= 0x7f {
			return false
		}
	}
	return name != ""
}
