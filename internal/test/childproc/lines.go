package childproc

import (
	"bytes"
	"io"
)

// Lines returns an Output that calls each with every complete line of the process's output, without
// its line end.
func Lines(each func(line []byte)) io.Writer { return &lines{each: each} }

type lines struct {
	each func([]byte)
	half []byte
}

func (l *lines) Write(b []byte) (int, error) {
	whole := append(l.half, b...)
	for {
		line, rest, found := bytes.Cut(whole, []byte("\n"))
		if !found {
			break
		}
		l.each(line)
		whole = rest
	}
	l.half = bytes.Clone(whole)
	return len(b), nil
}
