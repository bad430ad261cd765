package ingest

import (
	"errors"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest/match"
	"github.com/hookferry/hookferry/internal/ingest/schema"
)

// This file has the checks of what is stored for ingest to use. Their errors about the input are
// *InvalidError, with the fields of the API.

// CheckFilter checks the filter of a subscription.
func CheckFilter(filter []byte) error {
	_, err := match.Compile(filter)
	return err
}

// CheckChannels checks the channels of a subscription.
func CheckChannels(channels []string) error { return match.CheckChannels(channels) }

// CheckEventType checks the schema of an event type, and its example by the schema.
func CheckEventType(t event.EventType) error {
	if t.Schema == nil {
		return nil
	}
	compiled, err := schema.Compile(t.Schema)
	if err != nil || t.Example == nil {
		return err
	}
	err = compiled.Validate(t.Example)
	var invalid *event.InvalidError
	if errors.As(err, &invalid) {
		for i := range invalid.Fields {
			invalid.Fields[i].Field = "example" + strings.TrimPrefix(invalid.Fields[i].Field, "data")
		}
	}
	return err
}
