package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
)

// maxContentType bounds what is stored with every event and sent on.
const maxContentType = 255

// readJSON reads the body of a request that says it is JSON. The caller owns the
// bytes. They are bounded before they are looked at; whether they are JSON is not
// looked at here.
func (a *api) readJSON(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if !isJSON(r.Header["Content-Type"]) {
		return nil, notJSON()
	}
	if !isIdentity(r.Header["Content-Encoding"]) {
		return nil, newProblem(http.StatusUnsupportedMediaType, "unsupported_content_encoding",
			"The body must be sent as it is, without a Content-Encoding.")
	}
	if r.ContentLength > a.MaxBody {
		return nil, a.tooLarge()
	}
	body, err := readBody(w, r, a.MaxBody)
	if err != nil {
		return nil, a.bodyProblem(err)
	}
	if len(body) == 0 {
		return nil, malformedBody("body", "it is empty; send JSON")
	}
	return body, nil
}

func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if r.ContentLength < 0 {
		return io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

func notJSON() Problem {
	return newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type",
		"The body must be JSON: send Content-Type: application/json, or application/…+json, in UTF-8.")
}

func (a *api) tooLarge() Problem {
	return newProblem(http.StatusRequestEntityTooLarge, "body_too_large",
		fmt.Sprintf("The body is longer than the limit of %d bytes.", a.MaxBody))
}

// bodyProblem says why a body could not be read: it is the caller's or the
// network's fault, never ours.
func (a *api) bodyProblem(err error) Problem {
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &tooLarge):
		return a.tooLarge()
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
