package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/hookferry/hookferry/client"
)

const (
	// batchEvents and batchBytes limit a batch. They are below what a service accepts.
	batchEvents = 1000
	batchBytes  = 8 << 20
)

// fileEvent is an event of a file.
type fileEvent struct {
	line  int // from 1
	event client.Event
}

// publishFile publishes the events of a file in batches.
func publishFile(ctx context.Context, s streams, o *publishOptions) error {
	in := s.in
	if o.file != "-" {
		file, err := os.Open(o.file)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	c, err := o.open()
	if err != nil {
		return err
	}
	defer c.CloseIdleConnections()
	p := newFilePublisher(s, c, o.asJSON)
	err = p.run(ctx, in)
	p.summary()
	switch {
	case err != nil:
		return p.located(o.explain(err))
	case p.failed > 0:
		return errSaid
	}
	return nil
}

// run reads the lines and publishes them.
func (p *filePublisher) run(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxData)
	size := 0
	for n := 1; lines.Scan(); n++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		if len(p.batch) == batchEvents || size+len(text) > batchBytes && len(p.batch) > 0 {
			if err := p.send(ctx); err != nil {
				return err
			}
			size = 0
		}
		event, err := readEvent(text)
		if err != nil {
			p.fail(n, err)
			continue
		}
		size += len(text)
		p.batch = append(p.batch, fileEvent{line: n, event: event})
		p.read = n
	}
	if err := p.send(ctx); err != nil {
		return err
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("a line after line %d is longer than %d bytes, more than any service accepts", p.read, maxData)
	case err != nil:
		return fmt.Errorf("read the events: %w", err)
	}
	return nil
}

// readEvent reads a line. Its names are those of the API.
func readEvent(text []byte) (e client.Event, err error) {
	if _, err := checkData("the line", string(text)); err != nil {
		return e, err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil || fields == nil {
		return e, errors.New("must be a JSON object like {\"event\": \"user.created\", \"data\": {}}")
	}
	for _, required := range []string{"event", "data"} {
		if _, isThere := fields[required]; !isThere {
			return e, fmt.Errorf("%s is missing", required)
		}
	}
	for _, name := range sortedNames(fields) {
		if err := setField(&e, name, fields[name]); err != nil {
			return e, err
		}
	}
	return e, nil
}

func sortedNames(fields map[string]json.RawMessage) (names []string) {
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// setField sets one field of an event. null means the default.
func setField(e *client.Event, name string, value json.RawMessage) error {
	retry := true
	into, form := any(nil), ""
	switch name {
	case "data":
		e.Data = value
		return nil
	case "event":
		into, form = &e.Type, "a string"
	case "tenant":
		into, form = &e.Tenant, "a string"
	case "channels":
		into, form = &e.Channels, "a list of strings"
	case "metadata":
		into, form = &e.Metadata, "an object of strings"
	case "deliver_at":
		into, form = &e.DeliverAt, "a time with its zone, like 2027-01-31T09:00:00Z"
	case "subscription_id":
		into, form = &e.SubscriptionID, "a string"
	case "idempotency_key":
		into, form = &e.IdempotencyKey, "a string"
	case "retry":
		into, form = &retry, "true or false"
	default:
		return fmt.Errorf("there is no field %q; an event has event, data, tenant, channels, metadata, deliver_at, subscription_id, retry and idempotency_key", name)
	}
	if json.Unmarshal(value, into) != nil {
		return fmt.Errorf("%s must be %s", name, form)
	}
	e.NoRetry = e.NoRetry || !retry
	return nil
}
