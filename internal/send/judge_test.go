package send

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

// Responses without a status line, in addition to those of package hostile.
func TestResponsesWithoutAStatus(t *testing.T) {
	t.Parallel()
	const notHTTP = "the response is not HTTP/1.1"
	tests := []struct {
		name   string
		handle func(net.Conn)
		code   event.Code
		words  string // ADDR stands for the endpoint's address
	}{
		{"closes the connection in the status line", respondAndClose("HTTP/1."), event.CodeConnectionClosed, "ADDR closed the connection before its status line was complete"},
		{"closes the connection in the status code", respondAndClose("HTTP/1.1 20"), event.CodeConnectionClosed, "ADDR closed the connection before its status line was complete"},
		{"resets the connection in the status line", respondAndReset("HTTP/1.1 200"), event.CodeConnectionReset, "ADDR reset the connection before its status line was complete"},
		{"closes the connection after an interim response", respondAndClose("HTTP/1.1 102 Processing\r\n\r\n"), event.CodeConnectionClosed, "ADDR closed the connection before its status line was complete"},
		{"closes the connection in an interim response", respondAndClose("HTTP/1.1 102 Processing\r\nX"), event.CodeConnectionClosed, "ADDR closed the connection before its status line was complete"},
		{"stops in the status line", respond("HTTP/1.1 20"), event.CodeTimeout, "no complete status line within 500ms"},
		{"stops after an interim response", respond("HTTP/1.1 100 Continue\r\n\r\n"), event.CodeTimeout, "no complete status line within 500ms"},
		{"another protocol", respond("SSH-2.0-OpenSSH_9.6\r\n"), event.CodeBadResponse, notHTTP},
		{"a page without a status, as in HTTP/0.9", respondAndClose("<html>200 OK</html>"), event.CodeBadResponse, notHTTP},
		{"TLS alert", respond("\x15\x03\x01\x00\x02\x02\x46\r\n"), event.CodeBadResponse, "responded with TLS to an http request; should the target URL begin with https://?"},
		{"endless spaces", respondForever("HTTP/1.1", strings.Repeat(" ", 1000)), event.CodeBadResponse, notHTTP},
		{"endless empty lines", respondForever("", strings.Repeat("\r\n", 1000)), event.CodeBadResponse, notHTTP},
		{"an endless interim response", respondForever("HTTP/1.1 103 ", strings.Repeat("a", 1000)), event.CodeBadResponse, "interim (1xx) responses are longer than 64 KiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := receive(t, tt.handle)
			sub := subscription(r.url())
			sub.Timeout = short
			o := newSender(t).Send(t.Context(), sub, event.Claimed{Event: someEvent()})
			if words := strings.ReplaceAll(tt.words, "ADDR", r.addr); o.Code != tt.code || o.Error != words || o.StatusCode != 0 {
				t.Errorf("got %d %s: %q\nwant %s: %q", o.StatusCode, o.Code, o.Error, tt.code, words)
			}
			if o.Success() || o.Peer != r.addr {
				t.Errorf("success %v, peer %q, want false, %q", o.Success(), o.Peer, r.addr)
			}
		})
	}
}

func TestBodiesThatAreLateCutOrEndless(t *testing.T) {
	t.Parallel()
	const length, chunked = "Content-Length: 1000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"
	tests := []struct {
		name   string
		handle func(status string) func(net.Conn)
		kept   string
	}{
		{"never comes", func(s string) func(net.Conn) { return respond(s + length) }, ""},
		{"stops in the middle", func(s string) func(net.Conn) { return respond(s + length + "half") }, "half"},
		{"is cut", func(s string) func(net.Conn) { return respondAndClose(s + length + "half") }, "half"},
		{"has a bad chunk", func(s string) func(net.Conn) { return respond(s + chunked + "4\r\nhalf\r\nzz\r\n") }, "half"},
		{"is endless", func(s string) func(net.Conn) { return respondForever(s+"\r\n", "abcd") }, strings.Repeat("abcd", 1024)},
		{"sends endless chunks", func(s string) func(net.Conn) { return respondForever(s+chunked, "4\r\nabcd\r\n") }, strings.Repeat("abcd", 1024)},
	}
	statuses := []struct {
		line  string
		code  event.Code
		words string
	}{
		{"HTTP/1.1 200 OK\r\n", "", ""}, // the status has decided
		{"HTTP/1.1 500 Oops\r\n", event.CodeStatus, "responded with 500 Internal Server Error"},
	}
	for _, tt := range tests {
		for _, status := range statuses {
			t.Run(tt.name+" "+status.line[9:12], func(t *testing.T) {
				t.Parallel()
				r := receive(t, tt.handle(status.line))
				sub := subscription(r.url())
				sub.Timeout = short
				s := newSender(t)
				o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()})
				if o.Code != status.code || o.Error != status.words || string(o.Response) != tt.kept {
					t.Errorf("got %q %q and %d bytes of body; want %q %q and %d", o.Code, o.Error, len(o.Response), status.code, status.words, len(tt.kept))
				}
				s.Send(t.Context(), sub, event.Claimed{Event: someEvent()})
				if n := r.connections(); n != 2 {
					t.Errorf("%d connections for two attempts: a connection whose body did not end was reused", n)
				}
			})
		}
	}
}

// If an endpoint echoes the request, its credentials must not appear in the message.
func TestMessagesAreNotConfidential(t *testing.T) {
	t.Parallel()
	echo := receive(t, func(c net.Conn) { io.Copy(c, c) })
	redirect := receive(t, func(c net.Conn) {
		r := request(c)
		io.WriteString(c, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: https://confidential:confidential@a.example/?"+r.Header.Get("X-Key")+"\r\n\r\n")
	})
	reset := receive(t, respondAndReset(""))
	for _, r := range []*receiver{echo, redirect, reset} {
		sub := subscription(r.url() + "?token=confidential")
		sub.Headers = map[string]string{"X-Key": "confidential", "Authorization": "Bearer confidential"}
		sub.Secrets = []event.Secret{"confidential"}
		o := newSender(t).Send(t.Context(), sub, event.Claimed{Event: someEvent()})
		if o.Success() || strings.Contains(o.Error, "confidential") {
			t.Errorf("%q", o.Error)
		}
	}
}

func TestNothingListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	addr := l.Addr().String()
	o := send(t, "http://"+addr+"/")
	if o.Code != event.CodeConnectionRefused || o.Error != "connection refused by "+addr || o.Peer != addr {
		t.Errorf("got %s: %q, peer %q", o.Code, o.Error, o.Peer)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	inner := receive(t, respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	for _, code := range []string{"301", "302", "303", "307", "308"} {
		outer := receive(t, respond("HTTP/1.1 "+code+" x\r\nContent-Length: 0\r\nLocation: "+inner.url()+"\r\n\r\n"))
		o := send(t, outer.url())
		if o.Code != event.CodeRedirect || o.Error != "redirect to "+inner.url()+" not followed" {
			t.Errorf("%s: got %s: %q", code, o.Code, o.Error)
		}
	}
	if n := inner.connections(); n != 0 {
		t.Errorf("the target of the redirect was called %d times", n)
	}
}

func TestRedirectWords(t *testing.T) {
	t.Parallel()
	tests := []struct{ location, words, why string }{
		{"https://a.example/b", "redirect to https://a.example/b not followed", "as it is"},
		{"/relative", "redirect to /relative not followed", "as it is"},
		{"https://u:p@a.example/b?token=x#f", "redirect to https://a.example/b?… not followed", "the query and user may be confidential"},
		{"", "responded with 302 Found; redirects are not followed", "no Location"},
		{"https://a.example/%zz", "redirect not followed: its Location is not a valid URL", "not a URL"},
		{"https://a.example/\x1b[31m\xff", "redirect not followed: its Location is not a valid URL", "control characters are not valid in a URL"},
		{"https://a.example/\u202efdp.exe", "redirect to https://a.example/%E2%80%AEfdp.exe not followed", "no characters that reverse the text"},
		{"https://a.example/" + strings.Repeat("a", 60_000), "redirect to https://a.example/" + strings.Repeat("a", 182) + "… not followed", "cut"},
	}
	for _, tt := range tests {
		if got := redirected(http.StatusFound, tt.location); got != tt.words {
			t.Errorf("%s: got %q, want %q", tt.why, got, tt.words)
		}
	}
}
