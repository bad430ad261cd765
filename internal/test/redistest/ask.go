package redistest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// patience is the timeout of a response.
const patience = 10 * time.Second

// Do sends a single command, such as FLUSHALL, on its own connection, and returns the text of the
// response. Null is "". A list is an error.
func (s *Server) Do(command ...string) (string, error) {
	conn, err := s.dial()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	r := bufio.NewReader(conn)
	if s.password != "" {
		if _, err := ask(conn, r, []string{"AUTH", s.password}); err != nil {
			return "", err
		}
	}
	return ask(conn, r, command)
}

func (s *Server) dial() (net.Conn, error) {
	dialer := &net.Dialer{Timeout: patience}
	if s.trust != nil {
		return tls.DialWithDialer(dialer, "tcp", s.Addr(), s.trust)
	}
	return dialer.Dial("tcp", s.Addr())
}

// ask sends a command as a list of strings, each preceded by its length.
func ask(w io.Writer, r *bufio.Reader, command []string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return "", err
	}
	return answer(r)
}

// answer reads a response, whose first byte is its type.
func answer(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("redis-server responded with an empty line")
	}
	switch kind, rest := line[0], line[1:]; kind {
	case '+', ':':
		return rest, nil
	case '-':
		return "", fmt.Errorf("redis-server responded with %q", rest)
	case '$':
		return text(r, rest)
	default:
		return "", fmt.Errorf("redis-server responded with %q, which is not a single text", line)
	}
}

// text reads the announced number of bytes.
func text(r io.Reader, length string) (string, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 {
		return "", err // -1 is null
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return string(b), err
}
