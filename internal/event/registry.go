package event

import (
	"encoding/json"
	"time"
)

// EventType is an entry of the registry of event types. The registry belongs to the whole
// installation. Its schemas apply to events of their type; an event of a type without an entry
// is accepted unless the service accepts registered types only.
type EventType struct {
	Name        string
	Description string
	Schema      json.RawMessage // JSON Schema 2020-12 of the event's data; nil means any data
	Example     json.RawMessage // a value of data; nil if there is none
	CreatedAt   time.Time
	UpdatedAt   time.Time
	ArchivedAt  time.Time // zero while it is in use; an archived type counts as not registered
	// Version is the registry's version at which the entry last changed.
	Version int64
}

// Archived reports whether the type is archived.
func (t *EventType) Archived() bool { return !t.ArchivedAt.IsZero() }

// The limits on an event type.
const (
	MaxSchemaBytes  = 256 << 10
	MaxExampleBytes = 64 << 10
)

// Check checks what a caller may set of an event type, except for the schema's meaning. The error
// is an *InvalidError.
func (t *EventType) Check() error {
	var c checker
	c.check("name", CheckEventType(t.Name))
	c.check("description", CheckText(t.Description, MaxDescription))
	c.check("schema", CheckText(string(t.Schema), MaxSchemaBytes))
	c.check("example", CheckText(string(t.Example), MaxExampleBytes))
	return c.err()
}
