package match

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// The limits of a filter. Compile refuses a filter that exceeds one, and names the limit.
const (
	MaxFilterBytes  = 16 << 10 // the filter's JSON
	MaxDepth        = 32       // objects and arrays in each other
	MaxConditions   = 500      // plain values and operators
	MaxAlternatives = 1000     // entries of $in, $nin, $and, $or, $startsWith or $endsWith
	MaxExponent     = 10_000   // of a number, positive or negative
	MaxRegexpWeight = 500      // instructions of all regular expressions together
)

// sizePerByte is how much memory a compiled filter takes for each byte of its JSON, about.
const sizePerByte = 16

// MaxSteps limits what one filter does for one event. A step is about the work of comparing one
// short value, so there are enough for two comparisons with each element of any array in a body
// of 1 MiB. A filter that needs more does not match the event.
const MaxSteps = 2_000_000

// Filter is a compiled filter. It never changes, and any number of goroutines may use it.
type Filter struct {
	top  condition
	size int // see Size
}

// Broken returns a filter that no event meets. It stands for a filter in the store that Compile
// refuses: one that another release wrote, for example. The reason is the error of Compile.
func Broken(err error) *Filter { return &Filter{top: broken(err.Error())} }

// Size estimates how much memory the filter takes, in bytes.
func (f *Filter) Size() int {
	if f == nil {
		return 0
	}
	return f.size
}

// Compile compiles a filter. Its error is an *event.InvalidError about the first thing that is
// wrong. The field is "filter" followed by a JSON pointer into it (RFC 6901).
func Compile(text []byte) (*Filter, error) {
	if len(text) > MaxFilterBytes {
		return nil, invalid("", fmt.Sprintf("is %d bytes long; at most %d are allowed", len(text), MaxFilterBytes))
	}
	text = append([]byte(nil), text...) // the caller may change its bytes
	d, err := parse(text, false, jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false))
	if err != nil {
		return nil, syntaxError(err)
	}
	d.indexAll()
	var c compiler
	top, err := c.condition(d.root(), scope{top: true})
	if err != nil {
		return nil, err
	}
	return &Filter{top: top, size: sizePerByte * len(text)}, nil
}

// Match reports whether the filter is true for an event. A nil filter is always true.
func (f *Filter) Match(e *Event) bool {
	if f == nil {
		return true
	}
	e.steps = MaxSteps
	matches := f.top.holds(e, value{})
	return matches && e.steps >= 0
}

// Why explains why the filter is not true for an event. It returns "" if it is true.
func (f *Filter) Why(e *Event) string {
	if f == nil {
		return ""
	}
	matches := f.Match(e)
	switch {
	case e.steps < 0:
		return fmt.Sprintf("the filter would take more than %d steps for this event, so it does not match", MaxSteps)
	case matches:
		return ""
	}
	e.steps = 3 * MaxSteps // finding the reason repeats some of the work
	why := f.top.why(e, value{}, place{filter: "filter"})
	if e.steps < 0 {
		return "the filter is not true for this event; it would take too long to find out which condition fails"
	}
	return why
}
