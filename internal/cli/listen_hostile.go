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
	b.WriteString(`With --hostile it misbehaves on purpose, to show how the service handles such an
endpoint. When a connection ends, it prints when the connection was opened, how long
it was open, and how many bytes were sent to the service. The kinds are:

`)
	for _, k := range hostile.Kinds() {
		fmt.Fprintf(&b, "  %-18s %s\n", k.Name, k.About)
	}
	b.WriteString("\nUse an https:// URL for the kinds with a bad certificate or bad TLS.")
	return b.String()
}

func hostileNames() []string {
	var names []string
	for _, k := range hostile.Kinds() {
		names = append(names, k.Name+"\t"+k.About)
	}
	return names
}

// hostileAlone refuses the flags that set the response, because the kind determines it.
func hostileAlone(cmd *cobra.Command) error {
	for _, name := range []string{"secret", "status", "delay", "body", "fail-first", "json"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--hostile determines the response: leave out --%s or --hostile", name)
		}
	}
	return nil
}

// listenHostile runs an endpoint of this kind until ctx ends.
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
	notes.Print(terminal.LineOf("A hostile endpoint at "+server.URL()), terminal.LineOf("  "+kind.Name+": "+kind.About), terminal.LineOf("Ctrl-C stops it."), terminal.LineOf(""))
	<-ctx.Done()
	server.Close()
	notes.Print(terminal.LineOf(""), terminal.LineOf(fmt.Sprintf("Stopped after %s.", terminal.Number(server.Count().Accepted, "connection"))))
	return nil
}

func hostileLine(e hostile.Ended) string {
	return fmt.Sprintf("%s  %s was connected for %v and was sent %s", e.Began.Format(time.TimeOnly), e.Peer, e.Took.Round(time.Millisecond), terminal.Number(int(e.Wrote), "byte"))
}
