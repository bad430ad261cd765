package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Style is the look of a text on a terminal: an ANSI code.
type Style string

// The styles.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Faint  Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Blue   Style = "36"
)

// Of returns text in this style.
func (s Style) Of(text string) Span { return Span{text: text, style: s} }

// Span is a part of a line.
type Span struct {
	text  string
	style Style
}

// Line is one line of output.
type Line []Span

// LineOf returns a line of plain text.
func LineOf(text string) Line { return Line{Plain.Of(text)} }

// Screen prints lines, styled on a terminal and plain elsewhere.
type Screen struct {
	w          io.Writer
	isTerminal bool
	hasColour  bool
	size       func() (width, height int)
	drawn      int   // number of lines that the next Draw replaces
	failed     error // the first error of a write
}

// NewScreen returns a Screen for w. It uses styles and cursor movement if w is a terminal that
// supports them. It honours NO_COLOR.
func NewScreen(w io.Writer) *Screen {
	s := &Screen{w: w}
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

// IsTerminal reports whether Draw has an effect.
func (s *Screen) IsTerminal() bool { return s.isTerminal }

// Failed returns the error of the first write that failed, or nil.
func (s *Screen) Failed() error { return s.failed }

// Print prints lines that stay.
func (s *Screen) Print(lines ...Line) {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(s.render(l, 0) + "\n")
	}
	if _, err := io.WriteString(s.w, b.String()); err != nil && s.failed == nil {
		s.failed = fmt.Errorf("write the output: %w", err)
	}
}

// Draw replaces the lines that were drawn last. It does nothing if the output is not a terminal. It
// cuts the lines to the width and height of the terminal, because lines that wrap or scroll away
// can't be replaced.
func (s *Screen) Draw(lines []Line) {
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

// Leave keeps the lines that were drawn last: the next Draw continues below them.
func (s *Screen) Leave() { s.drawn = 0 }

// render returns the text of a line, cut to width characters unless width is 0.
func (s *Screen) render(l Line, width int) string {
	var b strings.Builder
	left := width
	for _, sp := range l {
		text := sp.text
		if width > 0 {
			text = FirstRunes(text, left)
			left -= utf8.RuneCountInString(text)
		}
		if s.hasColour && sp.style != Plain && text != "" {
			text = "\x1b[" + string(sp.style) + "m" + text + "\x1b[0m"
		}
		b.WriteString(text)
	}
	return strings.TrimRight(b.String(), " ")
}
