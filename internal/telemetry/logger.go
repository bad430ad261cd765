// Package telemetry sets up what the service says about itself: the logger, the
// metrics and the HTTP handler of the admin address. It is set-up only: what is
// logged and measured is decided where it happens, and everything here is made
// by a call, so that two services can run in one process.
//
// It doesn't listen anywhere and doesn't know how anything is stored: the depth
// of the queue is asked for through a function.
//
// Start with NewLogger below, then Metrics in metrics.go.
package telemetry

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// NewLogger makes a logger that writes records of the level (debug, info, warn
// or error, in any case) and above. The format is text, json, or auto: text for
// a person at a terminal, JSON for whatever else collects it. A level or format
// it doesn't know counts as info and auto: a log is no place to fail, and the
// settings were checked before.
func NewLogger(w io.Writer, level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: parseLevel(level)}
	if format == "text" || format != "json" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func parseLevel(text string) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return slog.LevelInfo
	}
	return level
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
