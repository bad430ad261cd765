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

// maxContentType limits the value that is stored with every event and sent to the endpoint.
const maxContentType = 255

// readJSON reads the body of a request whose Content-Type is JSON. It limits the size before it
// looks at the bytes, and does not check that they are JSON. The caller owns the bytes, and must
// call release when the request is done.
func (a *api) readJSON(r *http.Request) (bodyBuffer, error) {
	contentType, ok := jsonTypeOf(r.Header["Content-Type"])
	if !ok {
		return bodyBuffer{}, notJSON(r.Header["Content-Type"])
	}
	if coding := r.Header["Content-Encoding"]; !isIdentity(coding) {
		return bodyBuffer{}, newProblem(http.StatusUnsupportedMediaType, "unsupported_content_encoding",
			fmt.Sprintf("The body must be sent without Content-Encoding, but this one has Content-Encoding: %s.", quoted(coding)))
	}
	if r.ContentLength > a.MaxBody {
		return bodyBuffer{}, a.tooLarge()
	}
	body := bodyBuffer{budget: &a.memory, contentType: contentType}
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
	return bodyBuffer{}, err
}

// checkBodyStart refuses beginnings that can't start JSON and that an editor does not show. RFC
// 8259 (section 8.1) allows a parser to skip a byte order mark, but Hookferry delivers the body
// unchanged, and every endpoint would have to skip it too.
func checkBodyStart(body []byte) error {
	switch {
	case len(body) == 0:
		return malformedBody("body", "it is empty; send JSON")
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return malformedBody("body", "it begins with a byte order mark (EF BB BF); remove it")
	case bytes.HasPrefix(body, []byte("\xff\xfe")), bytes.HasPrefix(body, []byte("\xfe\xff")):
		return malformedBody("body", fmt.Sprintf("it begins with the byte order mark of UTF-16 (% X); send UTF-8 without a byte order mark", body[:2]))
	}
	return nil
}

func notJSON(contentType []string) Problem {
	found := "it has no Content-Type"
	if len(contentType) > 0 {
		found = "it has Content-Type: " + quoted(contentType)
	}
	return newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type",
		"The body must be JSON, but "+found+". Send Content-Type: application/json or application/…+json.")
}

// quoted quotes a header's values, shortened to 100 bytes.
func quoted(values []string) string {
	return event.Clip(strconv.QuoteToASCII(strings.Join(values, ", ")), 100)
}

func (a *api) tooLarge() Problem {
	return newProblem(http.StatusRequestEntityTooLarge, "body_too_large",
		fmt.Sprintf("The body is longer than the limit of %d bytes.", a.MaxBody))
}

// errTooLong means that a body is longer than allowed.
var errTooLong = errors.New("the body is too long")

// bodyProblem says why a body could not be read: through a fault of the caller or the network, or
// because too many bodies are being read at once.
func (a *api) bodyProblem(err error) Problem {
	var timeout net.Error
	var overloaded Problem
	switch {
	case errors.Is(err, errTooLong):
		return a.tooLarge()
	case errors.As(err, &overloaded):
		return overloaded
	case errors.As(err, &timeout) && timeout.Timeout():
		return newProblem(http.StatusRequestTimeout, "body_timeout", "The body took too long to arrive; send it again.")
	}
	return malformedBody("body", "it ended early, or its framing is wrong; send it again with the correct Content-Length")
}

// jsonTypeOf judges a Content-Type by its media type alone: parameters have no meaning for JSON
// (RFC 8259, section 11), and the body is checked for UTF-8 anyway. keep is the value that is
// stored with an event and sent to the endpoint: the original, or the bare media type if the
// parameters are broken or would mislead an endpoint.
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
	// A quoted parameter may contain bytes that no database accepts as text.
	if err != nil || given && !strings.EqualFold(charset, "utf-8") || !isPrintable(contentType[0]) || len(contentType[0]) > maxContentType {
		return media, len(media) <= maxContentType
	}
	return contentType[0], true
}

// isPrintable reports whether a header value is all printable ASCII.
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
