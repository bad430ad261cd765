// Package telemetry sets up the logger, the metrics and the HTTP handler of the admin address. It
// only sets up: each package decides what it logs and measures. It has no global state, so two
// services can run in one process.
//
// It opens no listener and does not know the store: it gets the queue's depth from a function.
//
// Start with NewLogger below, then read Metrics in metrics.go.
package telemetry

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// NewLogger returns a logger for records of the level (debug, info, warn or error, in any case) and
// above. The format is text, json or auto: auto is text if w is a terminal, and JSON otherwise. An
// unknown level or format counts as info or auto: the settings are already checked, and a logger
// should not fail.
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
