package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/hostile"
	"github.com/hookferry/hookferry/internal/terminal"
)

// hostileHelp lists the kinds for --help.
func hostileHelp() string {
	var b strings.Builder
	b.WriteString(`With --hostile it misbehaves on purpose instead, to show what becomes of a webhook
whose receiver does. It prints each connection when that has ended, by whichever
side: when it came, how long it was there, and how many bytes were sent to it. The
kinds:

`)
	for _, k := range hostile.Kinds() {
		fmt.Fprintf(&b, "  %-18s %s\n", k.Name, k.About)
	}
	b.WriteString("\nThose whose certificate or TLS is bad are called by https.")
	return b.String()
}

func hostileNames() []string {
	var names []string
	for _, k := range hostile.Kinds() {
		names = append(names, k.Name+"\t"+k.About)
	}
	return names
}

// hostileAlone refuses the flags that say how to answer: the kind says it.
func hostileAlone(cmd *cobra.Command) error {
	for _, name := range []string{"secret", "status", "delay", "body", "fail-first", "json"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--hostile says how to answer: leave out --%s, or leave out --hostile", name)
		}
	}
	return nil
}

// listenHostile runs a receiver of this kind until ctx ends.
func listenHostile(ctx context.Context, s streams, addr, name string) error {
	kind, err := hostile.Find(name)
	if err != nil {
		return usageError{fmt.Errorf("--hostile: %w", err)}
	}
	out := terminal.NewScreen(s.out)
	server, err := hostile.Listen(kind, hostile.Options{Addr: addr, Ended: func(e hostile.Ended) { out.Print(terminal.LineOf(hostileLine(e))) }})
	if err != nil {
		return usageError{fmt.Errorf("%w; choose another address with --addr", err)}
	}
	notes := terminal.NewScreen(s.err)
	notes.Print(terminal.LineOf("A hostile receiver at "+server.URL()), terminal.LineOf("  "+kind.Name+": "+kind.About), terminal.LineOf("Ctrl-C stops it."), terminal.LineOf(""))
	<-ctx.Done()
	server.Close()
	notes.Print(terminal.LineOf(""), terminal.LineOf(fmt.Sprintf("Stopped after %s.", terminal.Number(server.Count().Accepted, "connection"))))
	return nil
}

func hostileLine(e hostile.Ended) string {
	return fmt.Sprintf("%s  %s was here for %v and was sent %s", e.Began.Format(time.TimeOnly), e.Peer, e.Took.Round(time.Millisecond), terminal.Number(int(e.Wrote), "byte"))
}
