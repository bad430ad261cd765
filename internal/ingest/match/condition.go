package match

import (
	"bytes"
	"strconv"
)

// condition is a part of a filter. It never changes once it is compiled.
type condition interface {
	// holds judges a value, which may be absent.
	holds(r *run, v value) bool
	// why says in words why it does not hold for the value.
	why(r *run, v value, p place) string
}

// run is one filter's work on one event.
type run struct {
	event *Event
	steps int // how many are left; the result counts for nothing once they are used up
}

// spend takes steps, and reports whether there were enough.
func (r *run) spend(steps int) bool {
	r.steps -= steps
	return r.steps >= 0
}

// bytesPerStep is how much of a text can be looked at in one step.
const bytesPerStep = 32

// roots are what stands at the top of a filter: conditions on parts of the event.
type roots []named

type named struct {
	name      string
	condition condition
}

func (c roots) holds(r *run, _ value) bool {
	for _, root := range c {
		if !root.condition.holds(r, r.event.root(root.name)) {
			return false
		}
	}
	return true
}

// members are paths: conditions on the members of an object. Those of an array must hold
// for the same element of it. What is no object has no members, so each is absent.
type members []named

func (c members) holds(r *run, v value) bool {
	if v.kind() != '[' {
		return c.holdFor(r, v)
	}
	return anyElement(r, v, c.holds)
}

func (c members) holdFor(r *run, v value) bool {
	for _, m := range c {
		if !r.spend(lookupSteps) || !m.condition.holds(r, v.member(m.name)) {
			return false
		}
	}
	return true
}

// lookupSteps is what it costs to find one member by its name.
const lookupSteps = 4

// anyElement reports whether a condition holds for one of an array's elements.
func anyElement(r *run, array value, holds func(*run, value) bool) bool {
	for e := range array.elements() {
		if !r.spend(1) {
			return false
		}
		if holds(r, e) {
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

func (c comparisons) holds(r *run, v value) bool {
	switch {
	case v.kind() == 0:
		return false
	case c.holdFor(r, v):
		return true
	}
	return v.kind() == '[' && anyElement(r, v, c.holds)
}

func (c comparisons) holdFor(r *run, v value) bool {
	for i := range c {
		if !r.spend(c[i].steps(v)) || !c[i].holds(v) {
			return false
		}
	}
	return true
}

// steps is what a comparison may cost: an array or an object is compared with one of the
// filter, and as far as that goes at most.
func (c *comparison) steps(v value) int {
	size := v.size()
	if kind := v.kind(); kind == '[' || kind == '{' {
		size = min(size, c.operand)
	}
	return 1 + c.base + size*max(1, c.weight)/bytesPerStep
}

// contains is $contains: a text within a text, or an element of an array.
type contains struct {
	text    []byte // nil if the operand is no text
	operand value
	wants   string
}

func (c *contains) holds(r *run, v value) bool {
	switch v.kind() {
	case '"':
		return r.spend(1+v.size()/bytesPerStep) && c.text != nil && bytes.Contains(v.text(), c.text)
	case '[':
		return anyElement(r, v, func(r *run, e value) bool {
			return r.spend(1+min(e.size(), c.operand.size())/bytesPerStep) && equal(e, c.operand)
		})
	}
	return false
}

// presence is $exist. What is null is present.
type presence bool

func (c presence) holds(_ *run, v value) bool { return (v.kind() != 0) == bool(c) }

// negation is $not, $neq or $nin: it holds exactly if the condition within does not.
type negation struct {
	operator string
	wants    string
	within   condition
}

func (c *negation) holds(r *run, v value) bool { return !c.within.holds(r, v) }

// all holds if each condition does, each for itself: those of $and, or the operators that
// stand in one object.
type all struct {
	operator   string // "$and", or "" for an object's operators
	conditions []condition
}

func (c *all) holds(r *run, v value) bool {
	for _, within := range c.conditions {
		if !r.spend(1) || !within.holds(r, v) {
			return false
		}
	}
	return true
}

// anyOf is $or.
type anyOf []condition

func (c anyOf) holds(r *run, v value) bool {
	for _, within := range c {
		if !r.spend(1) {
			return false
		}
		if within.holds(r, v) {
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
