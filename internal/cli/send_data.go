package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/hookferry/hookferry/internal/terminal"
)

// maxData is the largest body that a service can be configured to accept.
const maxData = 32 << 20

// data returns the event's data: the argument, or else the content of standard input.
func (s streams) data(args []string) (json.RawMessage, error) {
	if len(args) == 1 && args[0] != "-" {
		return checkData("DATA", args[0])
	}
	if len(args) == 0 && isTerminal(s.in) {
		fmt.Fprintln(s.err, "No DATA was given; sending {}.")
		return json.RawMessage("{}"), nil
	}
	text, err := io.ReadAll(io.LimitReader(s.in, maxData+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read standard input: %w", err)
	case len(text) > maxData:
		return nil, fmt.Errorf("standard input is longer than %d bytes, more than any service accepts", maxData)
	case len(args) == 0 && len(text) == 0:
		fmt.Fprintln(s.err, "No DATA was given, and standard input is empty; sending {}.")
		return json.RawMessage("{}"), nil
	}
	return checkData("standard input", string(text))
}

func isTerminal(r io.Reader) bool {
	file, ok := r.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// checkData checks that text is JSON. Its error shows where the JSON is wrong.
func checkData(what, text string) (json.RawMessage, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%s is not UTF-8, which JSON must be", what)
	}
	var value json.RawMessage
	err := json.Unmarshal([]byte(text), &value)
	if err == nil {
		return json.RawMessage(strings.TrimSpace(text)), nil
	}
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return nil, fmt.Errorf("%s is not JSON", what)
	}
	// The offset counts the bytes up to the wrong one, inclusive. If the text ends too early, there
	// is no wrong byte.
	at := int(syntax.Offset) - 1
	if strings.Contains(syntax.Error(), "unexpected end") || at < 0 || at >= len(text) {
		return nil, fmt.Errorf("%s is not JSON: it ends too early\n%s", what, pointAt(text, len(text)))
	}
	character, _ := utf8.DecodeRuneInString(text[at:])
	return nil, fmt.Errorf("%s is not JSON: unexpected %s\n%s", what, strconv.QuoteRune(character), pointAt(text, at))
}

// pointAt returns the line of text that contains the byte at, with a mark below it.
func pointAt(text string, at int) string {
	at = max(0, min(at, len(text)))
	start := strings.LastIndexByte(text[:at], '\n') + 1
	row := strings.Count(text[:at], "\n") + 1
	end := len(text)
	if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
		end = at + i
	}
	before, after := terminal.Clean(lastRunes(text[start:at], 40)), terminal.Clean(terminal.FirstRunes(text[at:end], 30))
	where := fmt.Sprintf("  line %d, column %d:  ", row, utf8.RuneCountInString(text[start:at])+1)
	return where + before + after + "\n" + strings.Repeat(" ", utf8.RuneCountInString(where+before)) + "^"
}

// lastRunes returns the last n characters of s.
func lastRunes(s string, n int) string {
	runes := []rune(s)
	return string(runes[max(0, len(runes)-n):])
}
