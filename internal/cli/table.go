package cli

import (
	"fmt"
	"iter"
	"strings"
	"text/tabwriter"

	"github.com/hookferry/hookferry/internal/terminal"
)

// printList prints a list of the service: as a table for people, or as one JSON object per line. row
// returns the cells of an item, which are the service's text.
func printList[T any](s streams, asJSON bool, list iter.Seq2[T, error], header string, row func(T) []string) error {
	if asJSON {
		return printJSONLines(s, list)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, header)
	for item, err := range list {
		if err != nil {
			return err
		}
		cells := row(item)
		for i, text := range cells {
			if cells[i] = terminal.Clean(text); text == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// printDone says that something was done to what has this name.
func printDone(s streams, asJSON bool, done, name string) error {
	if asJSON {
		return terminal.WriteJSONLine(s.out, map[string]string{done: name})
	}
	_, err := fmt.Fprintf(s.out, "%s %s\n", done, terminal.Clean(name))
	return err
}

func printJSONLines[T any](s streams, list iter.Seq2[T, error]) error {
	for item, err := range list {
		if err != nil {
			return err
		}
		if err := terminal.WriteJSONLine(s.out, item); err != nil {
			return err
		}
	}
	return nil
}
