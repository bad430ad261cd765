package hostile

import (
	"crypto/tls"
	"fmt"
	"strings"
	"time"
)

// Kind is one way to misbehave.
type Kind struct {
	Name  string
	About string // what it does, for people
	HTTPS bool   // whether its URL begins with https

	config func() (*tls.Config, error) // for kinds with TLS
	script []step                      // what it does with each connection, which it closes after the last step
}

// Kinds returns all kinds.
func Kinds() []Kind {
	const ok, field = "HTTP/1.1 200 OK\r\n", "X-More: "
	long := strings.Repeat("a", 1000)
	taken := ok + "Content-Length: 2\r\n\r\nok"
	early := ok + "Connection: close\r\nContent-Length: 2\r\n\r\nok"
	frames := "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64" // SETTINGS, the first frame of HTTP/2
	accepted := script(readRequest, say(status("200")))                      // a sender should stop before it gets this
	return []Kind{
		{Name: "silent", About: "reads the request and never responds", script: script(readRequest, hang)},
		{Name: "tarpit", About: "accepts and never reads, with the smallest possible window", script: script(ignore)},
		{Name: "slow-headers", About: "sends one byte per second of a header that never ends", script: script(readRequest, say(ok+"X-Slow: "), drip)},
		{Name: "slow-body", About: "sends 200, and one byte per second of a body that never ends", script: script(readRequest, say(ok+"\r\n"), drip)},
		{Name: "endless-headers", About: "sends header fields without end", script: script(readRequest, say(ok), forever(field+long+"\r\n"))},
		{Name: "endless-line", About: "sends one header field without end", script: script(readRequest, say(ok+field), forever(long))},
		{Name: "endless-body", About: "sends 200 and a body without end", script: script(readRequest, say(ok+"\r\n"), forever(long))},
		{Name: "endless-chunks", About: "sends 200 and chunks without end", script: script(readRequest, say(ok+"Transfer-Encoding: chunked\r\n\r\n"), forever("4\r\nabcd\r\n"))},
		{Name: "gzip-bomb", About: "sends 200 and gzip that unpacks to a thousand times its size, without end", script: script(readRequest, bomb(ok+"Content-Encoding: gzip\r\n\r\n"))},
		{Name: "flood-100", About: "sends 100 Continue without end", script: script(readRequest, forever("HTTP/1.1 100 Continue\r\n\r\n"))},
		{Name: "flood-103", About: "sends 103 Early Hints without end", script: script(readRequest, forever("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"))},

		{Name: "reset-accept", About: "resets the connection as soon as it is open", script: script(reset)},
		{Name: "reset-header", About: "resets the connection after the request's header", script: script(readHeader, reset)},
		{Name: "reset-request", About: "resets the connection after the request's body", script: script(readRequest, reset)},
		{Name: "reset-answer", About: "resets the connection in the middle of the response's header", script: script(readRequest, say(ok+"X-A: b\r\n"), reset)},
		{Name: "reset-body", About: "resets the connection in the middle of the response's body", script: script(readRequest, say(ok+"Content-Length: 1000\r\n\r\nhalf"), reset)},
		{Name: "hang-up", About: "closes the connection after the request", script: script(readRequest)},
		{Name: "half-close", About: "closes its sending side after the request, and keeps the other side open", script: script(readRequest, halfClose, hang)},
		{Name: "half-answer", About: "closes its sending side in the middle of the response's header", script: script(readRequest, say(ok+"X-A: b\r\n"), halfClose, hang)},

		{Name: "length-long", About: "sends 200, and closes long before the Content-Length is reached", script: script(readRequest, say(ok+"Content-Length: 1000\r\n\r\nhalf"))},
		{Name: "length-short", About: "sends 200, and a second response after the end that Content-Length sets", script: script(readRequest, say(taken+"HTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n"), hang)},
		{Name: "length-negative", About: "sends Content-Length: -5", script: script(readRequest, say(ok+"Content-Length: -5\r\n\r\n"), hang)},
		{Name: "length-twice", About: "sends two different Content-Lengths", script: script(readRequest, say(ok+"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), hang)},

		{Name: "redirect-loopback", About: "redirects to 127.0.0.1", script: script(readRequest, say(redirect("http://127.0.0.1:1/admin?token=x")))},
		{Name: "redirect-metadata", About: "redirects to 169.254.169.254", script: script(readRequest, say(redirect("http://169.254.169.254/latest/meta-data/")))},

		{Name: "early-answer", About: "sends 200 as soon as the connection is open, before it reads the request", script: script(say(early), hang)},
		{Name: "early-body", About: "sends 200 after the request's header, and never reads the body", script: script(readHeader, say(early), ignore)},
		{Name: "garbage", About: "sends bytes that are not HTTP", script: script(readRequest, say("\x00\x01\x02 garbage\r\n\r\n"), hang)},
		{Name: "control-header", About: "sends 200 and a header field with control characters", script: script(readRequest, say(ok+"X-A: a\x00\x1b[31mb\x7f\r\nContent-Length: 2\r\n\r\nok"))},
		{Name: "status-000", About: "sends the status 000", script: script(readRequest, say(status("000")))},
		{Name: "status-999", About: "sends the status 999", script: script(readRequest, say(status("999")))},
		{Name: "status-101", About: "sends 101 for a protocol that was not requested, and bytes without end", script: script(readRequest, say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), forever("abc"))},

		{Name: "h2-frames", About: "sends HTTP/2 frames instead of a response", script: script(readRequest, say(frames))},
		{Name: "h2-only", About: "speaks only HTTP/2, over TLS", HTTPS: true, config: withProtocol("h2"), script: script(readSome, say(frames))},
		{Name: "tls-silent", About: "never responds to the TLS handshake", HTTPS: true, script: script(hang)},
		{Name: "tls-reset", About: "resets the connection during the TLS handshake", HTTPS: true, script: script(readSome, reset)},
		{Name: "tls-plain", About: "responds with HTTP to the TLS handshake", HTTPS: true, script: script(readSome, say("HTTP/1.1 400 Bad Request\r\n\r\n"), hang)},
		{Name: "tls-old", About: "supports only TLS 1.1 and older", HTTPS: true, config: withVersion(tls.VersionTLS11), script: accepted},
		{Name: "tls-expired", About: "has a certificate that expired in 2020", HTTPS: true, config: withDates(date(2019), date(2020)), script: accepted},
		{Name: "tls-not-yet-valid", About: "has a certificate that is valid from 2098", HTTPS: true, config: withDates(date(2098), date(2099)), script: accepted},
		{Name: "tls-self-signed", About: "has a self-signed certificate", HTTPS: true, config: withDates(date(2020), date(2099)), script: accepted},
		{Name: "tls-wrong-host", About: "has a certificate for another host", HTTPS: true, config: withHost("another.example"), script: accepted},
	}
}

// Find returns the kind with this name. Its error lists all names.
func Find(name string) (Kind, error) {
	var names []string
	for _, k := range Kinds() {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return Kind{}, fmt.Errorf("there is no kind %q; the kinds are %s", name, strings.Join(names, ", "))
}

func script(steps ...step) []step { return steps }

func redirect(to string) string {
	return "HTTP/1.1 302 Found\r\nLocation: " + to + "\r\nContent-Length: 0\r\n\r\n"
}

func status(code string) string {
	return "HTTP/1.1 " + code + " x\r\nContent-Length: 0\r\n\r\n"
}

func date(year int) time.Time { return time.Date(year, 1, 2, 0, 0, 0, 0, time.UTC) }
