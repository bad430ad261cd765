package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// style is how a piece of text looks in a terminal: an ANSI code.
type style string

const (
	plain  style = ""
	bold   style = "1"
	faint  style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	blue   style = "36"
)

// span is a piece of a line.
type span struct {
	text  string
	style style
}

// line is one line of output.
type line []span

func lineOf(text string) line { return line{{text: text}} }

// screen writes lines to a terminal, or plain ones to anything else.
type screen struct {
	w          io.Writer
	isTerminal bool
	hasColour  bool
	size       func() (width, height int)
	drawn      int   // lines that the next draw replaces
	failed     error // the first write that failed
}

// newScreen takes w for what it is: a terminal of a kind that can move its
// cursor, or a file or pipe. NO_COLOR, where it is set, is honoured.
func newScreen(w io.Writer) *screen {
	s := &screen{w: w}
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return s
	}
	s.isTerminal = true
	s.hasColour = os.Getenv("NO_COLOR") == ""
	s.size = func() (width, height int) {
		width, height, err := term.GetSize(int(file.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			return 80, 24
		}
		return width, height
	}
	return s
}

// print writes lines that stay.
func (s *screen) print(lines ...line) {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(s.render(l, 0) + "\n")
	}
	if _, err := io.WriteString(s.w, b.String()); err != nil && s.failed == nil {
		s.failed = fmt.Errorf("write the output: %w", err)
	}
}

// draw replaces the lines that were drawn last. On what is no terminal it does
// nothing. Lines are cut to the terminal's width, and are no more than it shows,
// because what wraps or scrolls away could not be replaced.
func (s *screen) draw(lines []line) {
	if !s.isTerminal {
		return
	}
	width, height := s.size()
	lines = lines[max(0, len(lines)-height+1):]
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	for _, l := range lines {
		b.WriteString("\r\x1b[K" + s.render(l, width-1) + "\n")
	}
	b.WriteString("\x1b[J")
	s.drawn = len(lines)
	io.WriteString(s.w, b.String())
}

// leave lets what was drawn last stay: the next draw comes below it.
func (s *screen) leave() { s.drawn = 0 }

// render makes text of a line, cut to width characters if that is not 0.
func (s *screen) render(l line, width int) string {
	var b strings.Builder
	left := width
	for _, sp := range l {
		text := sp.text
		if width > 0 {
			text = firstRunes(text, left)
			left -= utf8.RuneCountInString(text)
		}
		if s.hasColour && sp.style != plain && text != "" {
			text = "\x1b[" + string(sp.style) + "m" + text + "\x1b[0m"
		}
		b.WriteString(text)
	}
	return strings.TrimRight(b.String(), " ")
}
