package api

import (
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strings"
)

// maxContentType bounds what is stored with every event and sent on.
const maxContentType = 255

// readJSON reads the body of a request that says it is JSON. The caller owns the bytes,
// and releases what is held of the budget when the request is done with. They are
// bounded before they are looked at; whether they are JSON is not looked at here.
func (a *api) readJSON(r *http.Request) (held, error) {
	if !isJSON(r.Header["Content-Type"]) {
		return held{}, notJSON()
	}
	if !isIdentity(r.Header["Content-Encoding"]) {
		return held{}, newProblem(http.StatusUnsupportedMediaType, "unsupported_content_encoding",
			"The body must be sent as it is, without a Content-Encoding.")
	}
	if r.ContentLength > a.MaxBody {
		return held{}, a.tooLarge()
	}
	body := held{budget: &a.memory}
	err := body.read(r, a.MaxBody)
	switch {
	case err != nil:
		err = a.bodyProblem(err)
	case len(body.bytes) == 0:
		err = malformedBody("body", "it is empty; send JSON")
	default:
		return body, nil
	}
	body.release()
	return held{}, err
}

func notJSON() Problem {
	return newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type",
		"The body must be JSON: send Content-Type: application/json, or application/…+json, in UTF-8.")
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

func isJSON(contentType []string) bool {
	if len(contentType) != 1 || len(contentType[0]) > maxContentType {
		return false
	}
	if contentType[0] == "application/json" {
		return true
	}
	media, params, err := mime.ParseMediaType(contentType[0])
	if err != nil || !isPrintable(contentType[0]) { // a quoted parameter may hold bytes that no database takes as text
		return false
	}
	if charset, given := params["charset"]; given && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	return media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
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
