package bench

import (
	"bytes"
	"strconv"
	"time"
)

// The body of an event. Its numbers have a fixed length, so that the generator can overwrite them
// in an existing body, and the receiver can read them without parsing:
//
// {"event":"bench.event","data":{"run":1234567890,"n":1000000000001,"at":1790000000000000000,"pad":"xxx"}}
const (
	bodyRun = `{"event":"bench.event","data":{"run":`
	bodyN   = `,"n":`
	bodyAt  = `,"at":`
	bodyPad = `,"pad":"`
	bodyEnd = `"}}`

	runDigits, nDigits, atDigits = 10, 13, 19
	firstRun                     = 1_000_000_000     // the smallest number with runDigits digits
	firstN                       = 1_000_000_000_000 // the smallest number with nDigits digits

	runOffset = len(bodyRun)
	nOffset   = runOffset + runDigits + len(bodyN)
	atOffset  = nOffset + nDigits + len(bodyAt)
	headSize  = atOffset + atDigits
)

// newBody returns a body of the given size for a run. number sets its numbers.
func newBody(run uint64, size int) []byte {
	b := append([]byte(bodyRun), strconv.FormatUint(run, 10)...)
	b = append(b, bodyN...)
	b = strconv.AppendUint(b, firstN, 10)
	b = append(b, bodyAt...)
	b = append(b, bytes.Repeat([]byte("1"), atDigits)...)
	b = append(b, bodyPad...)
	b = append(b, bytes.Repeat([]byte("x"), max(0, size-len(b)-len(bodyEnd)))...)
	return append(b, bodyEnd...)
}

// number turns a body into that of the n-th event, published at the given time.
func number(body []byte, n uint64, posted time.Time) {
	strconv.AppendUint(body[nOffset:nOffset], firstN+n, 10)
	strconv.AppendInt(body[atOffset:atOffset], posted.UnixNano(), 10)
}

// readHead reads the numbers at the start of a body. ok is false if the bench did not make it.
func readHead(b []byte) (run, n uint64, posted time.Time, ok bool) {
	if len(b) < headSize || !bytes.HasPrefix(b, []byte(bodyRun)) {
		return 0, 0, posted, false
	}
	run, err1 := strconv.ParseUint(string(b[runOffset:runOffset+runDigits]), 10, 64)
	n, err2 := strconv.ParseUint(string(b[nOffset:nOffset+nDigits]), 10, 64)
	at, err3 := strconv.ParseInt(string(b[atOffset:atOffset+atDigits]), 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || n < firstN {
		return 0, 0, posted, false
	}
	return run, n - firstN, time.Unix(0, at), true
}
