package ingest

import (
	"errors"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

func TestChecks(t *testing.T) {
	eventType := func(schema, example string) error {
		given := event.EventType{Name: "a"}
		if schema != "" {
			given.Schema = []byte(schema)
		}
		if example != "" {
			given.Example = []byte(example)
		}
		return CheckEventType(given)
	}
	for _, c := range []struct {
		why   string
		err   error
		field string // "" means that it is fine
	}{
		{"a filter", CheckFilter([]byte(`{"data":{"a":1}}`)), ""},
		{"a filter with an unknown operator", CheckFilter([]byte(`{"data":{"a":{"$x":1}}}`)), "filter/data/a/$x"},
		{"channels", CheckChannels([]string{"a"}), ""},
		{"an empty channel", CheckChannels([]string{"a", ""}), "channels[1]"},
		{"no schema", eventType("", `{"a":1}`), ""},
		{"a schema", eventType(`{"required":["a"]}`, ""), ""},
		{"a schema and its example", eventType(`{"required":["a"]}`, `{"a":1}`), ""},
		{"a wrong schema", eventType(`{"required":1}`, `{"a":1}`), "schema/required"},
		{"a wrong example", eventType(`{"properties":{"a":{"type":"string"}}}`, `{"a":1}`), "example/a"},
	} {
		var invalid *event.InvalidError
		if c.field == "" && c.err != nil || c.field != "" && (!errors.As(c.err, &invalid) || invalid.Fields[0].Field != c.field) {
			t.Errorf("%s: %v, want one about %q", c.why, c.err, c.field)
		}
	}
}
