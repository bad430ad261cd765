package send

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hookferry/internal/event"
	"hookferry/webhook"
)

const jsonType = "application/json"

// jsonValues is shared by all requests; nobody writes to it.
var jsonValues = []string{jsonType}

// header makes the header of one attempt, or says why it can't. It is a new map
// each time, because the transport may still read it after Send has returned.
// Names go in as canonical keys, without the work of Header.Set.
func (t *target) header(ev *event.Event, at time.Time) (h http.Header, problem string) {
	h = make(http.Header, len(t.fields)+5)
	for _, f := range t.fields {
		h[f.name] = f.values
	}
	switch ct := ev.ContentType; {
	case ct == "" || ct == jsonType:
		h["Content-Type"] = jsonValues
	case validValue(ct):
		h["Content-Type"] = []string{ct}
	default:
		return nil, "the event's content type " + quote(ct) + " can't be sent as a header"
	}
	id := ev.ID.String()
	if t.signer != nil {
		if err := t.signer.SignHeader(h, id, at, ev.Payload); err != nil {
			return nil, "the event can't be signed: " + err.Error()
		}
		return h, ""
	}
	h[webhook.HeaderID] = []string{id}
	h[webhook.HeaderTimestamp] = []string{strconv.FormatInt(at.Unix(), 10)}
	return h, ""
}

// request is put together by hand: http.NewRequest would parse the URL again.
func (t *target) request(ctx context.Context, h http.Header, payload []byte) *http.Request {
	r := http.Request{
		Method: http.MethodPost, URL: t.url, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody,
	}
	if len(payload) > 0 {
		r.ContentLength = int64(len(payload))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(payload)), nil }
		r.Body, _ = r.GetBody()
	}
	return r.WithContext(ctx)
}

// validName and validValue hold to what net/http would refuse only when the
// request is on its way (RFC 9110, sections 5.1 and 5.5).
func validName(name string) bool {
	const token = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
	return name != "" && strings.Trim(name, token) == ""
}

func validValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
