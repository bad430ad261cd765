package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// EventType is an entry of the registry of event types in a response.
type EventType struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema" doc:"JSON Schema 2020-12 of the event's data; null: any data."`
	Example     json.RawMessage `json:"example" doc:"A value of data; null if there is none."`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
	ArchivedAt  *time.Time      `json:"archived_at" doc:"When it was archived; null if it is in use."`
}

// EventTypeReplaceInput contains the fields that a caller can set, and those that only the service
// sets, so that a caller can read an event type, change it and send it back.
type EventTypeReplaceInput struct {
	Description string          `json:"description,omitempty" nullable:"true" maxLength:"1000"`
	Schema      json.RawMessage `json:"schema,omitempty" nullable:"true" doc:"JSON Schema 2020-12 that the data of events of this type must conform to; absent or null: any data. References to other documents are refused."`
	Example     json.RawMessage `json:"example,omitempty" nullable:"true" doc:"A value of data that conforms to the schema. null means that there is none."`
	CreatedAt   any             `json:"created_at,omitempty" readOnly:"true" doc:"Ignored."`
	UpdatedAt   any             `json:"updated_at,omitempty" readOnly:"true" doc:"Ignored."`
	ArchivedAt  any             `json:"archived_at,omitempty" readOnly:"true" doc:"Ignored."`
	Name        string          `json:"name,omitempty" nullable:"true" maxLength:"256" doc:"The event type. Where the path has it, it may only be repeated."`
}

// EventTypeInput is the body of a create.
type EventTypeInput struct {
	Name        string          `json:"name" minLength:"1" maxLength:"256" doc:"The event type: letters, digits and _ - : / in segments joined by dots."`
	Description string          `json:"description,omitempty" nullable:"true" maxLength:"1000"`
	Schema      json.RawMessage `json:"schema,omitempty" nullable:"true" doc:"JSON Schema 2020-12 that the data of events of this type must conform to; absent or null: any data. References to other documents are refused."`
	Example     json.RawMessage `json:"example,omitempty" nullable:"true" doc:"A value of data that conforms to the schema. null means that there is none."`
}

// EventTypeList is one page of event types.
type EventTypeList struct {
	Data []EventType `json:"data" nullable:"false"`
	Next *string     `json:"next" doc:"The cursor of the next page; null on the last one."`
}

func showEventType(t event.EventType) EventType {
	return EventType{
		Name: t.Name, Description: t.Description, Schema: t.Schema, Example: t.Example,
		CreatedAt: t.CreatedAt.UTC(), UpdatedAt: t.UpdatedAt.UTC(), ArchivedAt: timeOrNull(t.ArchivedAt),
	}
}

func (a *api) listEventTypes(w http.ResponseWriter, r *http.Request, c call) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	limit, from := q.limit(), q.cursor(ofTypes)
	if err := q.end(); err != nil {
		return err
	}
	types, err := c.view.ListEventTypes(r.Context(), from.name, limit+1)
	if err != nil {
		return err
	}
	var out EventTypeList
	if len(types) > limit {
		types = types[:limit]
		out.Next = ptr(cursor{order: ofTypes, name: types[limit-1].Name}.String())
	}
	out.Data = make([]EventType, len(types))
	for i, t := range types {
		out.Data[i] = showEventType(t)
	}
	return writeJSON(w, http.StatusOK, out)
}

// typeProblem turns ErrNotFound into a problem about the event type.
func typeProblem(err error, name string) error {
	if !errors.Is(err, event.ErrNotFound) {
		return err
	}
	return newProblem(http.StatusNotFound, "event_type_not_found", fmt.Sprintf("No event type is registered as %q.", event.Clip(name, event.MaxQuoted)))
}

func (a *api) getEventType(w http.ResponseWriter, r *http.Request, c call) error {
	t, err := c.view.EventType(r.Context(), c.get("name"))
	if err != nil {
		return typeProblem(err, c.get("name"))
	}
	return writeJSON(w, http.StatusOK, showEventType(t))
}

// createEventType also brings back an archived type. It refuses one that is in use, which a second
// caller may not know of.
func (a *api) createEventType(w http.ResponseWriter, r *http.Request, c call) error {
	var in EventTypeInput
	if err := a.readInto(r, &in); err != nil {
		return err
	}
	old, err := c.view.EventType(r.Context(), in.Name)
	switch {
	case err == nil && !old.Archived():
		return newProblem(http.StatusConflict, "event_type_exists", fmt.Sprintf("The event type %q is already registered. Nothing was changed; PUT /event-types/{name} replaces it.", in.Name))
	case err != nil && !errors.Is(err, event.ErrNotFound):
		return err
	}
	after, _, err := a.writeEventType(r, c, event.EventType{Name: in.Name, Description: in.Description, Schema: in.Schema, Example: in.Example}, &in)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, showEventType(after))
}

func (a *api) putEventType(w http.ResponseWriter, r *http.Request, c call) error {
	var in EventTypeReplaceInput
	if err := a.readInto(r, &in); err != nil {
		return err
	}
	name := c.get("name")
	if in.Name != "" && in.Name != name {
		return event.Invalid("name", fmt.Sprintf("is %q, but the path has %q; leave it out", event.Clip(in.Name, event.MaxQuoted), event.Clip(name, event.MaxQuoted)))
	}
	after, created, err := a.writeEventType(r, c, event.EventType{Name: name, Description: in.Description, Schema: in.Schema, Example: in.Example}, &in)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return writeJSON(w, status, showEventType(after))
}

// writeEventType checks and stores an event type that was read into in.
func (a *api) writeEventType(r *http.Request, c call, t event.EventType, in any) (after event.EventType, created bool, err error) {
	t.Schema, t.Example = compact(t.Schema), compact(t.Example)
	t.CreatedAt = a.now()
	t.UpdatedAt = t.CreatedAt
	faults, err := collect(nil, t.Check())
	if err == nil && len(faults) == 0 {
		faults, err = collect(nil, a.CheckEventType(t))
	}
	if err != nil {
		return t, false, err
	}
	if len(faults) > 0 {
		return t, false, &event.InvalidError{Fields: inOrder(faults, in)}
	}
	return c.view.PutEventType(r.Context(), t)
}

func (a *api) archiveEventType(w http.ResponseWriter, r *http.Request, c call) error {
	if _, err := c.view.ArchiveEventType(r.Context(), c.get("name"), a.now()); err != nil {
		return typeProblem(err, c.get("name"))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
