package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	defaultLimit = 50
	maxLimit     = 250
	maxQ         = 200 // bytes
)

// query reads the parameters in the query of a URL, and collects what is wrong with them.
type query struct {
	values url.Values
	known  []string
	faults []event.FieldError
}

func readQuery(r *http.Request) (*query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, newProblem(http.StatusBadRequest, "malformed_query", "The query of the URL can't be parsed; percent-encode everything except letters and digits.")
	}
	return &query{values: values}, nil
}

func (q *query) fail(name, message string) {
	q.faults = append(q.faults, event.FieldError{Field: name, Message: message})
}

// text returns the value of a parameter, and whether it is given once and not empty.
func (q *query) text(name string) (text string, ok bool) {
	q.known = append(q.known, name)
	values, given := q.values[name]
	switch {
	case !given:
		return "", false
	case len(values) > 1:
		q.fail(name, "is given twice; give it once")
	case values[0] == "":
		q.fail(name, "must not be empty; leave it out instead")
	default:
		return values[0], true
	}
	return "", false
}

// checked is like text, for a value that must pass a check.
func (q *query) checked(name string, check func(string) string) string {
	text, ok := q.text(name)
	if !ok {
		return ""
	}
	if problem := check(text); problem != "" {
		q.fail(name, problem)
	}
	return text
}

// oneOf is like text, for a value that is one of a few.
func (q *query) oneOf(name string, allowed ...string) string {
	return q.checked(name, func(text string) string {
		if slices.Contains(allowed, text) {
			return ""
		}
		return strconv.Quote(event.Clip(text, event.MaxQuoted)) + " is not known; use " + strings.Join(allowed, ", ")
	})
}

// search returns the text to search for, in lower case. An empty one finds everything.
func (q *query) search() string {
	if values := q.values["q"]; len(values) == 1 && values[0] == "" {
		q.known = append(q.known, "q")
		return ""
	}
	return strings.ToLower(q.checked("q", func(text string) string { return event.CheckText(text, maxQ) }))
}

func (q *query) limit() int {
	q.known = append(q.known, "limit")
	values, given := q.values["limit"]
	if !given {
		return defaultLimit
	}
	limit, err := strconv.Atoi(values[0])
	if err != nil || limit < 1 || limit > maxLimit || len(values) > 1 {
		q.fail("limit", "must be a single integer from 1 to 250")
	}
	return limit
}

const cursorAdvice = "send the value of next or prev from another page, or leave it out for the first page"

// cursor returns the position from which a list is read. The zero cursor is its start.
func (q *query) cursor(o order) cursor {
	text, given := q.cursorText()
	if !given {
		return cursor{}
	}
	c, problem := parseCursor(text, o)
	if problem != "" {
		q.fail("cursor", problem+"; "+cursorAdvice)
	}
	return c
}

func (q *query) cursorText() (text string, ok bool) {
	q.known = append(q.known, "cursor")
	values := q.values["cursor"]
	if len(values) > 1 {
		q.fail("cursor", "is given twice; "+cursorAdvice)
	}
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

// end returns what is wrong with the query, unknown parameters included.
func (q *query) end() error {
	var unknown []string
	for name := range q.values {
		if !slices.Contains(q.known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		q.fail(event.Clip(name, event.MaxQuoted), "is not a known parameter; use "+strings.Join(q.known, ", "))
	}
	if len(q.faults) > 0 {
		return &event.InvalidError{Fields: q.faults}
	}
	return nil
}

// page is the part of a list of attempts that a caller asks for. Its cursor is the id of the last
// item on the previous page, because ids sort by time.
type page struct {
	before event.ID
	limit  int
}

func readPage(r *http.Request) (page, error) {
	q, err := readQuery(r)
	if err != nil {
		return page{}, err
	}
	p := page{limit: q.limit()}
	if text, given := q.cursorText(); given {
		if p.before, err = event.ParseID(text); err != nil {
			q.fail("cursor", notAnID(text)+"; send the value of next on the previous page, or leave it out for the first page")
		}
	}
	return p, q.end()
}

// cutPage returns one page of items, which were read with one item more, and the cursor of the next
// page, if there is one.
func cutPage[T any](items []T, p page, id func(T) event.ID) ([]T, *string) {
	if len(items) <= p.limit {
		return items, nil
	}
	items = items[:p.limit]
	next := id(items[p.limit-1]).String()
	return items, &next
}
