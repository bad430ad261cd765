package cli

import (
	"bytes"
	"context"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/hostile"
)

func TestListenHostile(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out bytes.Buffer
	notes, said := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- Run(ctx, []string{"listen", "--addr", "127.0.0.1:0", "--hostile", "hang-up"}, strings.NewReader(""), &out, said)
		said.Close()
	}()

	var text bytes.Buffer
	addr := regexp.MustCompile(`http://(\S+)/`)
	for addr.FindStringSubmatch(text.String()) == nil {
		if _, err := io.CopyN(&text, notes, 1); err != nil {
			t.Fatalf("%v after %q", err, &text)
		}
	}
	rest := make(chan string, 1)
	go func() { b, _ := io.ReadAll(notes); rest <- string(b) }()
	c, err := net.Dial("tcp", addr.FindStringSubmatch(text.String())[1])
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
	if answer, err := io.ReadAll(c); err != nil || len(answer) > 0 {
		t.Errorf("responded with %q, %v", answer, err)
	}
	c.Close()
	stop()
	if status := <-code; status != 0 {
		t.Errorf("exit status %d", status)
	}
	text.WriteString(<-rest)
	for _, want := range []string{"hang-up: closes the connection after the request", "Stopped after 1 connection."} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	if !regexp.MustCompile(`^\d\d:\d\d:\d\d  127\.0\.0\.1:\d+ was connected for \S+ and was sent 0 bytes\n$`).Match(out.Bytes()) {
		t.Errorf("printed %q", &out)
	}
}

func TestListenHostileWronglyCalled(t *testing.T) {
	for _, test := range []struct {
		reason string
		args   []string
		says   string
	}{
		{"an unknown kind", []string{"--hostile", "nice"}, "silent, tarpit, slow-headers"},
		{"the kind determines the status", []string{"--hostile", "silent", "--status", "500"}, "leave out --status"},
		{"signatures are not verified", []string{"--hostile", "silent", "--secret", "geheim"}, "leave out --secret"},
		{"an invalid address", []string{"--hostile", "silent", "--addr", "nowhere:x"}, "choose another address with --addr"},
	} {
		var out, errOut bytes.Buffer
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		code := Run(ctx, append([]string{"listen"}, test.args...), strings.NewReader(""), &out, &errOut)
		stop()
		if code != 2 || !strings.Contains(errOut.String(), test.says) || strings.Contains(errOut.String(), "geheim") {
			t.Errorf("%s: exit status %d\n%s", test.reason, code, &errOut)
		}
	}
}

func TestListenHelpNamesTheKinds(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := Run(t.Context(), []string{"listen", "--help"}, strings.NewReader(""), &out, &errOut); code != 0 {
		t.Fatalf("exit status %d: %s", code, &errOut)
	}
	for _, k := range hostile.Kinds() {
		if !strings.Contains(out.String(), "  "+k.Name+" ") || !strings.Contains(out.String(), k.About+"\n") {
			t.Errorf("%s is not described", k.Name)
		}
	}
}
