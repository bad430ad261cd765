package api

import (
	"io"
	"net/http"
	"sync/atomic"
)

// budget bounds the memory that the bodies of requests take together, whatever number
// of callers sends them, and however slowly.
type budget struct {
	most int64 // bytes
	used atomic.Int64
}

// take reports whether there was room for n bytes more, which are then to be given back.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.most {
		return true
	}
	b.used.Add(-n)
	return false
}

// firstRead is how much room a body is given before any of it has come: a caller who
// announces a megabyte and sends a byte holds no megabyte.
const firstRead = 8 << 10

// held is the body of a request in memory. It is given back when the request has been
// answered.
type held struct {
	bytes       []byte
	contentType string // to be kept with it
	taken       int64
	budget      *budget
}

func (h *held) release() { h.budget.used.Add(-h.taken) }

// grow makes room for n bytes in all.
func (h *held) grow(n int64) error {
	if !h.budget.take(n - h.taken) {
		return crowded()
	}
	h.taken = n
	bigger := make([]byte, len(h.bytes), n)
	copy(bigger, h.bytes)
	h.bytes = bigger
	return nil
}

func crowded() Problem {
	return newProblem(http.StatusServiceUnavailable, "overloaded",
		"Nothing was stored: so many requests are being read at present that there is no memory for this one. Send it again.")
}

// read reads the body of a request, which may have up to most bytes, into memory that
// grows as the bytes come. Its errors are those of the reader, errTooLong and a Problem.
func (h *held) read(r *http.Request, most int64) error {
	length := r.ContentLength // -1: not said
	end := length
	if end < 0 {
		end = most + 1 // one more than may be, to see that there is more
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
	case int64(len(h.bytes)) > most:
		return errTooLong
	case length < 0: // the room was guessed, and the body may be kept for longer than the request
		exact := make([]byte, len(h.bytes))
		copy(exact, h.bytes)
		h.bytes = exact
	}
	return nil
}
