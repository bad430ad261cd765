package redis

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/childproc"
	"github.com/hookferry/hookferry/internal/test/redistest"
)

// wantAll tries everything that Redis does between two nodes with this address.
func wantAll(t *testing.T, connect func(t *testing.T) *node) {
	t.Helper()
	t.Run("all", func(t *testing.T) { allOf(t, connect(t), connect(t)) })
}

func allOf(t *testing.T, near, far *node) {
	t.Helper()
	near.wantUp(t, true)
	far.wantUp(t, true)
	l := newLedger()
	s := newSender(t, near, l)
	s.run(t)
	receive(t, far, newWorker(l))
	await.NoError(t, func() error {
		s.deliver(theSub, 100)
		if a := l.account(); a.offered < 50 {
			return fmt.Errorf("%+v; the failures are %v and %v", a, near.Failure(), far.Failure())
		}
		return nil
	})
	l.wantKnown(t)
	s.wantEmpty(t)

	h, _ := listen(t, far)
	h.wantChanged(t, near, theSub)

	if wait := near.Take(t.Context(), theSub, time.Hour); wait != 0 {
		t.Errorf("the first attempt waits for %v", wait)
	}
	if wait := far.Take(t.Context(), theSub, time.Hour); wait < 59*time.Minute {
		t.Errorf("the second, of another node, waits for %v", wait)
	}
	wantNoRefusal(t, near, far)
}

func TestPassword(t *testing.T) {
	t.Parallel()
	server := own(t, `requirepass p/a#s?s`)
	wantAll(t, func(t *testing.T) *node { return connect(t, server.URL()) })
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server, err := redistest.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Remove)
	cert, err := os.ReadFile(server.CertFile())
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(cert)
	wantAll(t, func(t *testing.T) *node {
		t.Helper()
		options, err := parse(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		options.TLSConfig.RootCAs = trust // as SSL_CERT_FILE does for the whole process
		return connectWith(t, options)
	})

	stranger := connect(t, server.URL())
	stranger.wantFailure(t, "certificate")
	plain := connect(t, "redis://"+server.Addr())
	await.NoError(t, func() error { return loggedOnce(plain, "can't be used") })
}

func TestCluster(t *testing.T) {
	t.Parallel()
	server := cluster(t)
	wantAll(t, func(t *testing.T) *node { return connect(t, server.URL()+"?addr="+server.Addr()) })
}

// cluster starts a cluster of one node with all slots.
func cluster(t *testing.T, settings ...string) *redistest.Server {
	t.Helper()
	server := own(t, append(settings, "cluster-enabled yes")...)
	do(t, server, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	await.NoError(t, func() error {
		if info := do(t, server, "CLUSTER", "INFO"); !strings.Contains(info, "cluster_state:ok") {
			return errNotYet
		}
		return nil
	})
	return server
}

// Sentinel says where Redis is, and where it is after the first server has died.
func TestSentinel(t *testing.T) {
	t.Parallel()
	first := own(t)
	host, port, _ := net.SplitHostPort(first.Addr())
	second := own(t, "replicaof "+host+" "+port, "repl-diskless-sync-delay 0")
	sentinel := startSentinel(t, host, port)
	url := "redis://" + sentinel + "/0?master_name=them"
	wantAll(t, func(t *testing.T) *node { return connect(t, url) })

	n := up(t, url)
	await.NoError(t, func() error { // the first server knows of the second
		if info := do(t, first, "INFO", "replication"); !strings.Contains(info, "state=online") {
			return fmt.Errorf("the second does not follow: %s", info)
		}
		return nil
	})
	await.NoError(t, func() error {
		c := goredis.NewSentinelClient(&goredis.Options{Addr: sentinel})
		defer c.Close()
		list, err := c.Replicas(t.Context(), "them").Result()
		if err != nil || len(list) == 0 || list[0]["master-link-status"] != "ok" {
			return fmt.Errorf("Sentinel knows of %v (%w)", list, err)
		}
		return nil
	})
	first.Kill()
	n.wantUp(t, false)
	n.wantUp(t, true)
	l := newLedger()
	s := newSender(t, n, l)
	s.run(t)
	receive(t, up(t, url), newWorker(l))
	s.mustDeliver(t, theSub, 10)
	l.wantKnown(t)
	if n := number(t, second, "DBSIZE"); n == 0 {
		t.Error("the second server has none of the data")
	}
}

// startSentinel starts a Sentinel that decides alone and soon, and returns its address.
func startSentinel(t *testing.T, host, port string) string {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	own, err := childproc.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	lines := fmt.Sprintf("port %d\nbind 127.0.0.1\nsentinel monitor them %s %s 1\nsentinel down-after-milliseconds them 300\nsentinel failover-timeout them 3000\n", own, host, port)
	if err := os.WriteFile(conf, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := childproc.Start(childproc.Command{Path: bin, Args: []string{conf, "--sentinel"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	addr := fmt.Sprintf("127.0.0.1:%d", own)
	await.NoError(t, func() error {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err
	})
	return addr
}
