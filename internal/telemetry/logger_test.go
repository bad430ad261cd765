package telemetry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

func TestFormatOfTheLog(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("this test needs a terminal: %v", err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	for _, c := range []struct {
		reason string
		w      io.Writer
		format string
		want   string
	}{
		{"a person reads a terminal", terminal, "auto", "*slog.TextHandler"},
		{"a collector reads a file", file, "auto", "*slog.JSONHandler"},
		{"a buffer is not a terminal", &bytes.Buffer{}, "auto", "*slog.JSONHandler"},
		{"said so", terminal, "json", "*slog.JSONHandler"},
		{"said so", file, "text", "*slog.TextHandler"},
		{"an unknown format means auto", file, "xml", "*slog.JSONHandler"},
		{"an unknown format means auto", terminal, "", "*slog.TextHandler"},
	} {
		if got := fmt.Sprintf("%T", NewLogger(c.w, "info", c.format).Handler()); got != c.want {
			t.Errorf("%s: format %q on a %T made a %s, want %s", c.reason, c.format, c.w, got, c.want)
		}
	}
}

func TestLevelOfTheLog(t *testing.T) {
	for _, c := range []struct {
		reason, level string
		want          string
	}{
		{"all of it", "DEBUG", "debug info warn error"},
		{"the default", "INFO", "info warn error"},
		{"in any case", "warn", "warn error"},
		{"the least", "Error", "error"},
		{"an unknown level means info", "loud", "info warn error"},
		{"none: as info", "", "info warn error"},
	} {
		var out bytes.Buffer
		log := NewLogger(&out, c.level, "json")
		log.Debug("debug")
		log.Info("info")
		log.Warn("warn")
		log.Error("error")
		if got := strings.Join(messages(t, out.Bytes()), " "); got != c.want {
			t.Errorf("%s: level %q wrote %q, want %q", c.reason, c.level, got, c.want)
		}
	}
}

func messages(t *testing.T, lines []byte) []string {
	t.Helper()
	var found []string
	for line := range bytes.Lines(lines) {
		var record struct{ Msg string }
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatalf("not a line of JSON: %q: %v", line, err)
		}
		found = append(found, record.Msg)
	}
	return found
}

func TestTheLogHidesSecrets(t *testing.T) {
	const text = "whsec_c2VjcmV0"
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log := NewLogger(&out, "debug", format)
		log.Info("alone", "secret", event.Secret(text))
		log.With("secret", event.Secret(text)).Info("as context")
		log.Info("in a group", slog.Group("g", "secret", event.Secret(text)))
		log.Info("in a subscription", "subscription", event.Subscription{Secrets: []event.Secret{text}})
		log.Info("in a pointer", "subscription", &event.Subscription{Secrets: []event.Secret{text}})
		if strings.Contains(out.String(), text) {
			t.Errorf("the secret is in the %s log:\n%s", format, out.String())
		}
		if lines := strings.Count(out.String(), "\n"); lines != 5 {
			t.Errorf("wrote %d lines as %s, want 5", lines, format)
		}
	}
}

func TestALineOfTheLogStaysOneLine(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		NewLogger(&out, "info", format).Info("attempt", "error", "first\nlevel=ERROR msg=forged\x1b[2J")
		if strings.Count(out.String(), "\n") != 1 || strings.Contains(out.String(), "\x1b") {
			t.Errorf("as %s, an endpoint's text broke its line: %q", format, out.String())
		}
	}
}
