package api

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hookferry/hookferry/internal/test/await"
)

func TestBodiesAreReadWhole(t *testing.T) {
	const limit = 100_000
	for _, c := range []struct {
		why       string
		size      int
		announced int64
		err       error
	}{
		{"an empty body", 0, 0, nil},
		{"an empty body of unknown length", 0, -1, nil},
		{"less than the first read", 10, 10, nil},
		{"exactly the first read", firstRead, firstRead, nil},
		{"exactly the first read, length unknown", firstRead, -1, nil},
		{"one byte more than the first read", firstRead + 1, firstRead + 1, nil},
		{"several pieces", 90_001, 90_001, nil},
		{"several pieces, length unknown", 90_001, -1, nil},
		{"exactly the limit", limit, limit, nil},
		{"exactly the limit, length unknown", limit, -1, nil},
		{"one byte too many, length unknown", limit + 1, -1, errTooLong},
		{"far too long, length unknown", 3 * limit, -1, errTooLong},
		{"it ends before its length", 10, 11, io.ErrUnexpectedEOF},
		{"it ends before the first byte", 0, 11, io.ErrUnexpectedEOF},
		{"it ends before its length, after several reads", 50_000, 60_000, io.ErrUnexpectedEOF},
	} {
		sent := bytes.Repeat([]byte("0123456789"), c.size/10+1)[:c.size]
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"as it comes": func(r io.Reader) io.Reader { return r }, "by halves": iotest.HalfReader, "with the end in the last piece": iotest.DataErrReader,
		} {
			b := &budget{limit: 2 * limit}
			h := bodyBuffer{budget: b}
			err := h.read(&http.Request{ContentLength: c.announced, Body: io.NopCloser(wrap(bytes.NewReader(sent)))}, limit)
			if !errors.Is(err, c.err) || err == nil && !bytes.Equal(h.bytes, sent) {
				t.Errorf("%s, %s: %d bytes and %v, want %d and %v", c.why, how, len(h.bytes), err, c.size, c.err)
			}
			if err == nil && c.announced < 0 && cap(h.bytes) > 2*len(h.bytes)+64 {
				t.Errorf("%s, %s: %d bytes are kept in a buffer of %d", c.why, how, len(h.bytes), cap(h.bytes))
			}
			if int64(cap(h.bytes)) > b.used.Load() {
				t.Errorf("%s, %s: the buffer has %d bytes, and %d are reserved", c.why, how, cap(h.bytes), b.used.Load())
			}
			if h.release(); b.used.Load() != 0 {
				t.Errorf("%s, %s: %d bytes were not released", c.why, how, b.used.Load())
			}
		}
	}
}

// slow is a client that has announced a body and sent part of it.
func (s *server) slow(id string, announced, sent int) net.Conn {
	s.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /webhooks/ingest/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		id, announced, longEvent(announced)[:sent])
	return conn
}

func longEvent(size int) string {
	const head, tail = `{"event":"a","data":"`, `"}`
	return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
}

// The bodies of slow clients take no more memory than the budget. A client beyond the budget is
// told to try again, and the memory is released.
func TestBodiesAreBoundedTogether(t *testing.T) {
	const limit, each = 200_000, 90_000
	s := newServer(t, func(o *Options) { o.Bodies = limit })
	api := s.handler()
	id := s.create(minimal)

	one, two := s.slow(id, each, each-1), s.slow(id, each, each-1)
	await.NoError(t, func() error {
		if used := api.memory.used.Load(); used != 2*each {
			return fmt.Errorf("%d bytes are reserved, want %d", used, 2*each)
		}
		return nil
	})
	r := s.want(503, s.do("POST", "/webhooks/ingest/"+id, longEvent(each)))
	if r.code() != "overloaded" || r.header.Get("Retry-After") == "" {
		t.Errorf("refused with %s %v", r.text, r.header)
	}
	s.want(202, s.do("POST", "/webhooks/ingest/"+id, longEvent(1000))) // a small body still fits

	io.WriteString(one, "}")
	if res, err := http.ReadResponse(bufio.NewReader(one), nil); err != nil || res.StatusCode != 202 {
		t.Errorf("the slow client got %v %v", res, err)
	}
	two.Close()
	await.NoError(t, func() error {
		if used := api.memory.used.Load(); used != 0 {
			return fmt.Errorf("%d bytes are still reserved", used)
		}
		return nil
	})
	s.want(202, s.do("POST", "/webhooks/ingest/"+id, longEvent(each)))
}

// A client that announces a large body and sends almost nothing takes almost no memory.
func TestAnnouncingTakesNoRoom(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Bodies = 1 << 20 })
	api := s.handler()
	id := s.create(minimal)
	const callers = 20
	for range callers {
		s.slow(id, DefaultMaxBody, 1)
	}
	await.NoError(t, func() error {
		if used := api.memory.used.Load(); used != callers*firstRead {
			return fmt.Errorf("%d callers have reserved %d bytes, want %d", callers, used, callers*firstRead)
		}
		return nil
	})
	s.want(202, s.do("POST", "/webhooks/ingest/"+id, longEvent(500_000)))
}
