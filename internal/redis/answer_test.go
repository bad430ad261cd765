package redis

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/redistest"
)

// deaf is a proxy in front of Redis. When armed, it passes the next entry on, and cuts the
// connection instead of returning the response.
type deaf struct {
	net.Listener
	to    string
	armed atomic.Bool
	conns sync.WaitGroup
}

func newDeaf(t *testing.T) *deaf {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &deaf{Listener: l}
}

func (d *deaf) url() string { return "redis://" + d.Addr().String() }

func (d *deaf) begin(t *testing.T, to string) {
	t.Helper()
	d.to = to
	t.Cleanup(func() { d.Close(); d.conns.Wait() })
	d.conns.Go(func() {
		for {
			c, err := d.Accept()
			if err != nil {
				return
			}
			d.conns.Go(func() { d.serve(c) })
		}
	})
}

func (d *deaf) serve(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", d.to)
	if err != nil {
		return
	}
	defer far.Close()
	var cut atomic.Bool
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		b := make([]byte, 64<<10)
		for {
			n, err := far.Read(b)
			if err != nil || cut.Load() {
				near.Close()
				return
			}
			_, _ = near.Write(b[:n])
		}
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := near.Read(b)
		if err != nil {
			break
		}
		if bytes.Contains(b[:n], []byte("xadd")) && d.armed.CompareAndSwap(true, false) {
			cut.Store(true)
		}
		if _, err := far.Write(b[:n]); err != nil && err != io.EOF {
			break
		}
	}
	far.Close()
	<-answers
}

// Redis adds an entry, but its response is lost. The worker attempts the delivery, and the node that
// passed it on can't know. The node first gives the worker time, and then makes the delivery due
// again. It does not pass it on a second time.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	between := newDeaf(t)
	loseAnAnswer(t, between, shared, between.url())
}

// The cluster client retries by default.
func TestLostAnswerOfACluster(t *testing.T) {
	t.Parallel()
	between := newDeaf(t)
	_, port, _ := net.SplitHostPort(between.Addr().String())
	server := cluster(t, "cluster-announce-port "+port)
	loseAnAnswer(t, between, server, between.url()+"?addr="+between.Addr().String())
}

func loseAnAnswer(t *testing.T, between *deaf, server *redistest.Server, url string) {
	t.Helper()
	between.begin(t, server.Addr())
	l := newLedger()
	near := up(t, url)
	s := newSender(t, near, l)
	s.run(t)
	receive(t, up(t, url), newWorker(l))
	s.mustDeliver(t, theSub, 10)
	l.wantKnown(t)
	sent := l.account().sent
	between.armed.Store(true)
	begun := time.Now()
	s.mustDeliver(t, theSub, 10)
	await.NoError(t, func() error {
		if a := l.account(); a.both != 1 {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})
	if after := time.Since(begun); after < calm {
		t.Errorf("it was released after %v: a worker may begin up to %v after it was sent", after, near.maxAge())
	}
	near.wantUp(t, true)
	s.wantEmpty(t)
	if a := l.account(); a.twice != 0 || a.sent != sent+1 {
		t.Errorf("%+v", a)
	}
}
