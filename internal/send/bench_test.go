package send

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// cheapReceiver responds to each request with an empty 200, as cheaply as possible, so that the
// benchmarks measure the sender.
func cheapReceiver(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveCheaply(c)
		}
	}()
	return "http://" + l.Addr().String() + "/webhook"
}

func serveCheaply(c net.Conn) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 8<<10)
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	for {
		for { // the header, whose end is an empty line
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := r.Discard(1024); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

func kilobyte() []byte {
	return append(bytes.Repeat([]byte("x"), 1022), `""`...)
}

func BenchmarkSend(b *testing.B) {
	sub := event.Subscription{
		ID:        event.NewID(time.Now()),
		TargetURL: cheapReceiver(b),
		Secrets:   []event.Secret{"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
	}
	ev := event.Event{ID: event.NewID(time.Now()), ContentType: "application/json", Payload: kilobyte()}
	s := New(Options{Guard: allowLoopback()})
	defer s.Close()
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if o := s.Send(context.Background(), sub, event.Claimed{Event: ev}); !o.Success() {
				b.Error(o.Error)
				return
			}
		}
	})
}

// BenchmarkBareClient is the baseline for Send: the simplest POST with net/http, which parses the
// URL each time, signs nothing and observes nothing.
func BenchmarkBareClient(b *testing.B) {
	url, body := cheapReceiver(b), string(kilobyte())
	client := &http.Client{Timeout: DefaultTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 128}}
	defer client.CloseIdleConnections()
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Post(url, "application/json", strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
}

// BenchmarkGuard checks one address, as each connection does.
func BenchmarkGuard(b *testing.B) {
	g := NewGuard(Rules{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}})
	for _, text := range []string{"93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "10.1.2.3", "fd00::1"} {
		addr := netip.MustParseAddr(text)
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := g.Check(addr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("CheckDial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := g.CheckDial("tcp4", "93.184.216.34:443"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
