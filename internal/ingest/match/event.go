package match

import (
	"encoding/json"
	"slices"
)

// Event is what matching needs of one. Filters read Data only when one of them looks at it,
// and cut it into tokens once, so an Event is not to be changed once it has been matched,
// and one goroutine uses it at a time.
type Event struct {
	Type     string
	Tenant   string // the tenant's id, as its customer writes it
	Channels []string
	Metadata map[string]string
	Data     []byte // the JSON value of data, as it was posted; what is no JSON is absent

	// Direct says that the event was handed in for one subscription, by ingest: channels do
	// not apply to it.
	Direct bool

	parts [len(rootNames)]part
	steps int // that are left to the filter that is asked
}

// part is the JSON of one of the names at the top of a filter.
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

// rootNames are what a filter may have at its top.
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
		return nil // strings can be marshaled
	}
	d, err := parse(text, false)
	if err != nil {
		return nil
	}
	return d
}
