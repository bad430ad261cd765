package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	defaultLimit = 50
	maxLimit     = 250
)

// page is the part of a list that a caller asks for. Its cursor is the id of the last item on the
// previous page, because ids sort by time.
type page struct {
	before event.ID
	limit  int
}

func readPage(r *http.Request) (page, error) {
	p := page{limit: defaultLimit}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return page{}, newProblem(http.StatusBadRequest, "malformed_query", "The query of the URL can't be parsed; percent-encode everything except letters and digits.")
	}
	var faults []event.FieldError
	if values, given := query["limit"]; given {
		p.limit, err = strconv.Atoi(values[0])
		if err != nil || p.limit < 1 || p.limit > maxLimit || len(values) > 1 {
			faults = append(faults, event.FieldError{Field: "limit", Message: "must be a single integer from 1 to 250"})
		}
	}
	if values, given := query["cursor"]; given {
		if fault := p.readCursor(values); fault != "" {
			faults = append(faults, event.FieldError{Field: "cursor", Message: fault})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if name != "limit" && name != "cursor" {
			faults = append(faults, event.FieldError{Field: event.Clip(name, event.MaxQuoted), Message: "is not a known parameter; use limit and cursor"})
		}
	}
	if len(faults) > 0 {
		return page{}, &event.InvalidError{Fields: faults}
	}
	return p, nil
}

func (p *page) readCursor(values []string) (fault string) {
	var err error
	p.before, err = event.ParseID(values[0])
	const advice = "send the value of next on the previous page, or leave it out for the first page"
	switch {
	case len(values) > 1:
		return "is given twice; " + advice
	case err != nil:
		return notAnID(values[0]) + "; " + advice
	}
	return ""
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
