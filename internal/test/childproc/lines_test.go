package childproc

import (
	"io"
	"slices"
	"testing"
)

func TestLinesComeWhole(t *testing.T) {
	for _, c := range []struct {
		why          string
		pieces, want []string
	}{
		{"nothing", []string{""}, nil},
		{"one line at once", []string{"a\n"}, []string{"a"}},
		{"a line in pieces", []string{"a", "b", "c\n"}, []string{"abc"}},
		{"several lines at once, and half of another", []string{"a\n\nb\nc"}, []string{"a", "", "b"}},
		{"its other half", []string{"a\nb", "c\nd\n"}, []string{"a", "bc", "d"}},
		{"only the line end", []string{"a", "\n"}, []string{"a"}},
	} {
		var got []string
		w := Lines(func(line []byte) { got = append(got, string(line)) })
		for _, piece := range c.pieces {
			if n, err := io.WriteString(w, piece); n != len(piece) || err != nil {
				t.Errorf("%s: %d, %v", c.why, n, err)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}
