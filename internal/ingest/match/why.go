package match

import (
	"fmt"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// This file explains why a condition does not hold. An explanation quotes at most event.MaxQuoted
// bytes of a value.

func (c roots) why(e *Event, _ value, p place) string {
	for _, root := range c {
		if v := e.root(root.name); !root.condition.holds(e, v) {
			return root.condition.why(e, v, p.member(root.name))
		}
	}
	return ""
}

func (c broken) why(*Event, value, place) string {
	return "the subscription's filter can't be used, so it matches nothing until it is replaced: " + event.Clip(string(c), maxPointer)
}

func (c members) why(e *Event, v value, p place) string {
	if v.kind() == '[' {
		return p.says(v, "the filter wants one that meets each condition")
	}
	for _, m := range c {
		if member := v.member(m.name); !m.condition.holds(e, member) {
			return m.condition.why(e, member, p.member(m.name))
		}
	}
	return ""
}

func (c comparisons) why(e *Event, v value, p place) string {
	if v.kind() == '[' {
		wants := make([]string, len(c))
		for i := range c {
			wants[i] = c[i].wants
		}
		return p.operator(c[0].operator).says(v, "the filter wants it or one of its elements to be "+strings.Join(wants, " and "))
	}
	for i := range c {
		if v.kind() == 0 || !c[i].holds(v) {
			return p.operator(c[i].operator).says(v, "the filter wants "+c[i].wants)
		}
	}
	return ""
}

func (c *contains) why(_ *Event, v value, p place) string {
	return p.operator("$contains").says(v, "the filter wants "+c.wants)
}

func (c presence) why(_ *Event, v value, p place) string {
	wants := "the filter wants it to be present"
	if !c {
		wants = "the filter wants it to be absent"
	}
	return p.operator("$exist").says(v, wants)
}

func (c *negation) why(_ *Event, v value, p place) string {
	p = p.operator(c.operator)
	switch {
	case c.operator != "$not":
		return p.says(v, "the filter wants "+c.wants)
	case p.event == "":
		return fmt.Sprintf("the event meets the condition that $not rejects (%s)", p.filter)
	}
	return p.says(v, "$not rejects that")
}

func (c *all) why(e *Event, v value, p place) string {
	p = p.operator(c.operator)
	for i, within := range c.conditions {
		if within.holds(e, v) {
			continue
		}
		if c.operator != "" {
			p = p.entry(i)
		}
		return within.why(e, v, p)
	}
	return ""
}

func (c anyOf) why(e *Event, v value, p place) string {
	p = p.operator("$or")
	first := c[0].why(e, v, p.entry(0))
	if len(c) == 1 {
		return first
	}
	return fmt.Sprintf("none of the %d conditions of $or holds (%s); the first one: %s", len(c), p.filter, first)
}

// says describes the event's value at this place, followed by what the filter wants.
func (p place) says(v value, wants string) string {
	return fmt.Sprintf("%s %s; %s (%s)", event.Clip(p.event, maxPointer), describe(v), wants, event.Clip(p.filter, maxPointer))
}

func describe(v value) string {
	switch v.kind() {
	case 0:
		return "is absent"
	case '{':
		return "is an object"
	case '[':
		if v.node().next == v.at+1 {
			return "is an empty array"
		}
		return "is an array"
	}
	return "is " + quote(v)
}

// quote returns a value as it is in the JSON, shortened.
func quote(v value) string { return event.Clip(string(v.raw()), event.MaxQuoted) }
