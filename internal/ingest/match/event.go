package match

import (
	"encoding/json"
	"slices"
)

// Event is the part of an event that matching needs. It keeps the tokens of its data for the next
// filter, so it must not be changed after the first match, and only one goroutine at a time may
// use it.
type Event struct {
	Type     string
	Tenant   string // the tenant's id as the caller chose it, not its number
	Channels []string
	Metadata map[string]string
	Data     []byte // the JSON value of data, as it was published; absent if it is not valid JSON

	// Direct means that the event was published to one subscription. Channels do not apply to it.
	Direct bool

	parts [len(rootNames)]part
	steps int // left for the filter that is being evaluated
}

// part is a part of the event as JSON, which is created when a filter needs it.
type part struct {
	read bool
	doc  *document // nil: absent
}

// root returns a part of the event.
func (e *Event) root(name string) value {
	p := &e.parts[slices.Index(rootNames[:], name)]
	if !p.read {
		p.read, p.doc = true, e.document(name)
	}
	if p.doc == nil {
		return value{}
	}
	return p.doc.root()
}

// rootNames are the names that a filter may have at its top level.
var rootNames = [...]string{"data", "event", "metadata", "channels", "tenant"}

func (e *Event) document(name string) *document {
	switch name {
	case "event":
		return documentOf(e.Type)
	case "tenant":
		return documentOf(e.Tenant)
	case "channels":
		return documentOf(append([]string{}, e.Channels...)) // none is an empty array, not null
	case "metadata":
		return documentOf(e.metadata())
	}
	return e.data()
}

func (e *Event) metadata() map[string]string {
	if e.Metadata == nil {
		return map[string]string{}
	}
	return e.Metadata
}

func (e *Event) data() *document {
	d, err := parse(e.Data, true, lenient...)
	if err != nil {
		return nil
	}
	return d
}

func documentOf(v any) *document {
	text, err := json.Marshal(v)
	if err != nil {
		return nil // cannot happen: strings can be marshaled
	}
	d, err := parse(text, false)
	if err != nil {
		return nil
	}
	return d
}
