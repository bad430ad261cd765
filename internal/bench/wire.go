package bench

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

// The generator and the receiver speak HTTP/1.1 on plain sockets, because they share the CPU with
// the service that they measure.

var errNotHTTP = errors.New("the message is not in the supported form of HTTP/1.1")

// readHeader reads the rest of a header after its first line, and returns the length of the body.
func readHeader(r *bufio.Reader) (length int, closing bool, err error) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			return length, closing, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch value = bytes.TrimSpace(value); {
		case len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, false, errNotHTTP
			}
		case len(name) == len("Transfer-Encoding") && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return 0, false, errNotHTTP
		case len(name) == len("Connection") && bytes.EqualFold(name, []byte("Connection")):
			closing = bytes.EqualFold(value, []byte("close"))
		}
	}
}

// readResponse reads a response and skips its body.
func readResponse(r *bufio.Reader) (status int, closing bool, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, false, errNotHTTP
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, errNotHTTP
	}
	length, closing, err := readHeader(r)
	if err == nil {
		_, err = io.CopyN(io.Discard, r, int64(length))
	}
	return status, closing, err
}
