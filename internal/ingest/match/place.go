package match

import "strconv"

// place says where a condition is, in the filter and in the event. Reasons name it.
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

// operator returns the place below an operator. In the event, that is the same place.
func (p place) operator(name string) place {
	if name != "" {
		p.filter += "/" + name
	}
	return p
}

func (p place) entry(i int) place { return p.operator(strconv.Itoa(i)) }

// isPlain reports whether a name can follow a dot without being misread.
func isPlain(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c == '.' || c == '"' || c == '[' || c >= 0x7f {
			return false
		}
	}
	return name != ""
}
