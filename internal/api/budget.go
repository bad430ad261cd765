package api

import (
	"io"
	"net/http"
	"sync/atomic"
)

// budget limits the memory of all request bodies together, no matter how many callers send them or
// how slowly.
type budget struct {
	limit int64 // bytes
	used  atomic.Int64
}

// take reserves n bytes, and reports whether they were available. The caller must release them.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.limit {
		return true
	}
	b.used.Add(-n)
	return false
}

// firstRead is the buffer size of a body before any of it has arrived. A caller who announces a
// megabyte and sends a byte must not take a megabyte of memory.
const firstRead = 8 << 10

// bodyBuffer is the body of a request in memory. It is released after the response.
type bodyBuffer struct {
	bytes       []byte
	contentType string // stored with the body
	taken       int64
	budget      *budget
}

func (h *bodyBuffer) release() { h.budget.used.Add(-h.taken) }

// grow enlarges the buffer to n bytes.
func (h *bodyBuffer) grow(n int64) error {
	if !h.budget.take(n - h.taken) {
		return overloaded()
	}
	h.taken = n
	bigger := make([]byte, len(h.bytes), n)
	copy(bigger, h.bytes)
	h.bytes = bigger
	return nil
}

func overloaded() Problem {
	return newProblem(http.StatusServiceUnavailable, "overloaded",
		"Nothing was stored: too many request bodies are being read at once, and there is no memory left for this one. Try again.")
}

// read reads the body of a request, up to most bytes, into a buffer that grows as the bytes arrive.
// Its errors are those of the reader, errTooLong, and a Problem.
func (h *bodyBuffer) read(r *http.Request, limit int64) error {
	length := r.ContentLength // -1: unknown
	end := length
	if end < 0 {
		end = limit + 1 // one byte too many, to notice a body that is too long
	}
	for int64(len(h.bytes)) < end {
		if len(h.bytes) == cap(h.bytes) {
			if err := h.grow(min(max(firstRead, 4*int64(cap(h.bytes))), end)); err != nil {
				return err
			}
		}
		n, err := r.Body.Read(h.bytes[len(h.bytes):cap(h.bytes)])
		h.bytes = h.bytes[:len(h.bytes)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	switch {
	case length > int64(len(h.bytes)):
		return io.ErrUnexpectedEOF
	case int64(len(h.bytes)) > limit:
		return errTooLong
	case length < 0: // the buffer is larger than the body, which may outlive the request
		exact := make([]byte, len(h.bytes))
		copy(exact, h.bytes)
		h.bytes = exact
	}
	return nil
}
