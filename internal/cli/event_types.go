package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/terminal"
)

func newEventTypes(s streams) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "event-types",
		Short: "List, register and archive event types",
		Long: `Lists the event types that are registered with a running service, or registers and
archives one. Events of a registered type are refused unless their data conforms to its
JSON Schema. Event types belong to the whole installation.

` + remoteHelp,
		Example: `  hookferry event-types
  hookferry event-types put invoice.paid --schema invoice.json
  hookferry event-types archive invoice.paid`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.use(func(c *client.Client) error {
				return printList(s, asJSON, c.ListEventTypes(cmd.Context()), "NAME\tSCHEMA\tDESCRIPTION\tUPDATED\tARCHIVED", eventTypeRow)
			})
		},
	}
	r.addFlags(cmd.PersistentFlags())
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON, one object per line")
	cmd.AddCommand(newEventTypesPut(s, &r, &asJSON), newEventTypesArchive(s, &r, &asJSON))
	return cmd
}

func eventTypeRow(t client.EventType) []string {
	schema := "yes"
	if isNone(t.Schema) {
		schema = ""
	}
	return []string{t.Name, schema, terminal.Shorten(t.Description, 60), timeOrNone(t.UpdatedAt), timeOrNone(t.ArchivedAt)}
}

// isNone reports whether a JSON value is absent or null.
func isNone(value json.RawMessage) bool { return len(value) == 0 || string(value) == "null" }

func newEventTypesPut(s streams, r *remote, asJSON *bool) *cobra.Command {
	var schemaFile, description string
	cmd := &cobra.Command{
		Use:   "put NAME",
		Short: "Register an event type, or change it",
		Long: `Registers an event type, or changes what the flags name of a registered one. The schema
is JSON Schema 2020-12. An archived event type is in use again.`,
		Example: `  hookferry event-types put invoice.paid --schema invoice.json
  hookferry event-types put user.created --description 'A user has signed up.'`,
		Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			schema, err := s.readSchema(schemaFile)
			if err != nil {
				return err
			}
			return r.use(func(c *client.Client) error {
				t, err := putEventType(cmd.Context(), c, args[0], func(in *client.EventTypeInput) {
					if schema != nil {
						in.Schema = schema
					}
					if cmd.Flags().Changed("description") {
						in.Description = description
					}
				})
				switch {
				case err != nil:
					return err
				case *asJSON:
					return terminal.WriteJSONLine(s.out, t)
				}
				_, err = fmt.Fprintf(s.out, "event type %s\n", terminal.Clean(t.Name))
				return err
			})
		},
	}
	cmd.Flags().StringVar(&schemaFile, "schema", "", "`FILE` with the JSON Schema of an event's data; - for standard input")
	cmd.Flags().StringVar(&description, "description", "", "what the event means, for people")
	return cmd
}

// putEventType registers an event type, or changes the registered one.
func putEventType(ctx context.Context, c *client.Client, name string, change func(*client.EventTypeInput)) (client.EventType, error) {
	t, err := c.EventType(ctx, name)
	if err != nil && !hasCode(err, "event_type_not_found") {
		return t, err
	}
	in := t.Input()
	change(&in)
	return c.PutEventType(ctx, name, in)
}

// readSchema reads the file of a schema. Without a file it returns nil.
func (s streams) readSchema(file string) (json.RawMessage, error) {
	if file == "" {
		return nil, nil
	}
	in := s.in
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		in = opened
	}
	text, err := io.ReadAll(io.LimitReader(in, maxData+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the schema: %w", err)
	case len(text) > maxData:
		return nil, fmt.Errorf("the schema is longer than %d bytes", maxData)
	}
	return checkData("the schema", string(text))
}

func newEventTypesArchive(s streams, r *remote, asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use:     "archive NAME",
		Short:   "Archive an event type: its schema no longer applies",
		Example: "  hookferry event-types archive invoice.paid",
		Args:    exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.use(func(c *client.Client) error {
				if err := c.ArchiveEventType(cmd.Context(), args[0]); err != nil {
					return err
				}
				return printDone(s, *asJSON, "archived", args[0])
			})
		},
	}
}

// hasCode reports whether err is a problem of this kind.
func hasCode(err error, code string) bool {
	problem, ok := errors.AsType[*client.Problem](err)
	return ok && problem.Code == code
}
