package childproc

import (
	"bytes"
	"io"
)

// Lines is an Output that takes what a process prints, in pieces of any size, and hands
// on each line when it is whole, without its end.
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
