package api

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// maxContentType bounds what is stored with every event and sent on.
const maxContentType = 255

// readJSON reads the body of a request that says it is JSON. The caller owns the bytes,
// and releases what is held of the budget when the request is done with. They are
// bounded before they are looked at; whether they are JSON is not looked at here.
func (a *api) readJSON(r *http.Request) (held, error) {
	contentType, ok := jsonTypeOf(r.Header["Content-Type"])
	if !ok {
		return held{}, notJSON(r.Header["Content-Type"])
	}
	if coding := r.Header["Content-Encoding"]; !isIdentity(coding) {
		return held{}, newProblem(http.StatusUnsupportedMediaType, "unsupported_content_encoding",
			fmt.Sprintf("The body must be sent as it is, and this one has Content-Encoding: %s.", quoted(coding)))
	}
	if r.ContentLength > a.MaxBody {
		return held{}, a.tooLarge()
	}
	body := held{budget: &a.memory, contentType: contentType}
	err := body.read(r, a.MaxBody)
	if err != nil {
		err = a.bodyProblem(err)
	} else {
		err = checkBodyStart(body.bytes)
	}
	if err == nil {
		return body, nil
	}
	body.release()
	return held{}, err
}

// checkBodyStart names what can't begin JSON and is seen by nobody. A byte order mark
// might be passed over (RFC 8259, section 8.1), but what is delivered is what came, and
// the endpoint would have to do so, too.
func checkBodyStart(body []byte) error {
	switch {
	case len(body) == 0:
		return malformedBody("body", "it is empty; send JSON")
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return malformedBody("body", "it begins with a byte order mark (EF BB BF); remove it")
	case bytes.HasPrefix(body, []byte("\xff\xfe")), bytes.HasPrefix(body, []byte("\xfe\xff")):
		return malformedBody("body", fmt.Sprintf("it begins with the byte order mark of UTF-16 (% X); send UTF-8, without a mark", body[:2]))
	}
	return nil
}

func notJSON(contentType []string) Problem {
	found := "it has no Content-Type"
	if len(contentType) > 0 {
		found = "it has Content-Type: " + quoted(contentType)
	}
	return newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type",
		"The body must be JSON, and "+found+". Send Content-Type: application/json, or application/…+json.")
}

// quoted repeats a header's values, within reason.
func quoted(values []string) string {
	return event.Clip(strconv.QuoteToASCII(strings.Join(values, ", ")), 100)
}

func (a *api) tooLarge() Problem {
	return newProblem(http.StatusRequestEntityTooLarge, "body_too_large",
		fmt.Sprintf("The body is longer than the limit of %d bytes.", a.MaxBody))
}

// errTooLong: there is more of a body than may be.
var errTooLong = errors.New("the body is too long")

// bodyProblem says why a body could not be read: it is the caller's or the network's
// fault, or that too many come at once.
func (a *api) bodyProblem(err error) Problem {
	var timeout net.Error
	var crowded Problem
	switch {
	case errors.Is(err, errTooLong):
		return a.tooLarge()
	case errors.As(err, &crowded):
		return crowded
	case errors.As(err, &timeout) && timeout.Timeout():
		return newProblem(http.StatusRequestTimeout, "body_timeout", "The body took too long to arrive; send it again.")
	}
	return malformedBody("body", "it ended early or was framed wrongly; send it again, with its true Content-Length")
}

// jsonTypeOf judges a Content-Type by its media type alone: no parameter has an effect on
// JSON (RFC 8259, section 11), and that the body is UTF-8 is looked at. keep is what is
// kept with an event and sent on: the value as it came, or without its parameters where
// they would mislead an endpoint or are broken.
func jsonTypeOf(contentType []string) (keep string, ok bool) {
	if len(contentType) != 1 {
		return "", false
	}
	if contentType[0] == "application/json" {
		return contentType[0], true
	}
	bare, _, _ := strings.Cut(contentType[0], ";")
	media, _, err := mime.ParseMediaType(bare)
	if err != nil || media != "application/json" && !(strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")) {
		return "", false
	}
	_, params, err := mime.ParseMediaType(contentType[0])
	charset, given := params["charset"]
	// A quoted parameter may hold bytes that no database takes as text.
	if err != nil || given && !strings.EqualFold(charset, "utf-8") || !isPrintable(contentType[0]) || len(contentType[0]) > maxContentType {
		return media, len(media) <= maxContentType
	}
	return contentType[0], true
}

// isPrintable reports whether a header's value is printable ASCII throughout.
func isPrintable(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}

func isIdentity(contentEncoding []string) bool {
	for _, coding := range contentEncoding {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return false
		}
	}
	return true
}
