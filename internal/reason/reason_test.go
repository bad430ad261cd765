package reason

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// get returns the error of a request.
func get(t *testing.T, url string, c *tls.Config) error {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c}, Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err == nil {
		res.Body.Close()
		t.Fatalf("%s responded", url)
	}
	return err
}

// accepts returns the address of a server that calls do with each connection.
func accepts(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			do(c)
			c.Close()
		}
	}()
	return l.Addr().String()
}

func TestOf(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = nil
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	roots := secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	silent := accepts(t, func(c net.Conn) { c.Read(make([]byte, 1)); c.(*net.TCPConn).SetLinger(-1) })
	noise := accepts(t, func(c net.Conn) { c.Read(make([]byte, 4096)); c.Write([]byte("SSH-2.0-OpenSSH_9\r\n\r\n")) })
	_, inUse := net.Listen("tcp", plain.Listener.Addr().String())
	_, elsewhere := net.Listen("tcp", "203.0.113.1:0")
	_, missing := os.Open(filepath.Join(t.TempDir(), "SEKRET"))
	deadline, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()

	for _, tt := range []struct {
		why  string
		err  error
		want string
	}{
		{"no listener", get(t, "http://127.0.0.1:1/SEKRET", nil), "nothing listens there"},
		{"plain HTTP asked by TLS", get(t, strings.Replace(plain.URL, "http", "https", 1), nil), "does not speak TLS"},
		{"an unknown authority", get(t, secure.URL, nil), "SSL_CERT_FILE"},
		{"a certificate for another host", get(t, secure.URL, &tls.Config{RootCAs: roots, ServerName: "SEKRET.example"}), "for another host name"},
		{"an expired certificate", get(t, secure.URL, &tls.Config{RootCAs: roots, Time: func() time.Time { return time.Now().AddDate(200, 0, 0) }}), "expired or is not valid yet"},
		{"a handshake that is refused", tlsAlert(t, secure), "handshake was refused"},
		{"no response", get(t, "http://"+silent, nil), "closed"},
		{"another protocol", get(t, "http://"+noise, nil), "does not speak HTTP"},
		{"an address in use", inUse, "another process is already listening there"},
		{"an address of another machine", elsewhere, "this machine does not have that address"},
		{"a name that does not exist", &url.Error{Op: "Get", URL: "http://SEKRET", Err: &net.DNSError{Err: "no such host", Name: "SEKRET", IsNotFound: true}}, "no host has that name"},
		{"a name server that does not respond", &net.DNSError{Err: "i/o timeout", Name: "SEKRET", IsTimeout: true}, "name server did not respond"},
		{"a name server that fails", &net.DNSError{Err: "server misbehaving", Name: "SEKRET"}, "could not look up"},
		{"a timeout", fmt.Errorf("SEKRET: %w", deadline.Err()), "no response in time"},
		{"stopped", context.Canceled, "stopped"},
		{"a low port", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}, "ports below 1024"},
		{"a file of another user", &fs.PathError{Op: "open", Path: "SEKRET", Err: syscall.EACCES}, "permission denied"},
		{"no file", missing, "does not exist"},
		{"no route", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}, "there is no route to it"},
		{"anything else", errors.New("strconv.ParseInt: SEKRET"), "the connection failed"},
	} {
		got := Of(tt.err)
		if !strings.Contains(got, tt.want) || strings.Contains(got, "SEKRET") || strings.Contains(got, "tcp") {
			t.Errorf("%s: %v gives %q, want %q and nothing of the error's own text", tt.why, tt.err, got, tt.want)
		}
	}
}

// tlsAlert returns the error of a client whose only TLS version the server refuses.
func tlsAlert(t *testing.T, secure *httptest.Server) error {
	t.Helper()
	c, err := net.Dial("tcp", secure.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = tls.Client(c, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS10, MinVersion: tls.VersionTLS10}).HandshakeContext(t.Context())
	if err == nil {
		t.Fatal("TLS 1.0 is spoken")
	}
	return err
}
