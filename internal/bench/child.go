package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hookferry/hookferry/client"
)

// child is a process of the program itself: the service or the relay.
type child struct {
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{}
}

// startChild runs the program with arguments. Its output goes to a file in dir.
func startChild(self, dir, name string, env []string, args ...string) (*child, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self, args...), log: log, ended: make(chan struct{})}
	c.cmd.Dir, c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = dir, env, log, log
	endsWithUs(c.cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel watches the thread that starts it
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.cmd.Wait()
			close(c.ended)
		}
	}()
	if err := <-started; err != nil {
		log.Close()
		return nil, fmt.Errorf("start %s: %w", self, err)
	}
	return c, nil
}

// kill ends it at once: what it keeps is thrown away.
func (c *child) kill() {
	c.cmd.Process.Kill()
	<-c.ended
	c.log.Close()
}

// lastWords is the end of what it printed.
func (c *child) lastWords() string {
	b, _ := os.ReadFile(c.log.Name())
	return string(bytes.TrimSpace(b[max(0, len(b)-2000):]))
}

// up waits until the child answers at addr; ask is tried again and again.
func (c *child) up(ctx context.Context, ask func() error) error {
	deadline := time.After(time.Minute)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-c.ended:
			return fmt.Errorf("it ended at once; it said:\n%s", c.lastWords())
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return fmt.Errorf("it does not answer: %w; it said:\n%s", err, c.lastWords())
		case <-time.After(time.Millisecond):
		}
	}
}

// dials is whether something listens at addr.
func dials(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err == nil {
		conn.Close()
	}
	return err
}

// freeAddr is an address on this machine that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// subscribe makes the subscriptions of a load and returns the paths to post to; with an
// error, of those that were made.
func subscribe(ctx context.Context, url, key string, load Load, r *receiver) ([]string, error) {
	c, err := client.New(url, client.WithKey(key))
	if err != nil {
		return nil, err
	}
	defer c.CloseIdleConnections()
	paths := make([]string, load.Subscriptions)
	for i := range paths {
		s, err := c.CreateSubscription(ctx, client.SubscriptionInput{
			TargetURL: r.url(load, i), Secret: "a secret of the bench", Description: "made by hookferry bench",
		})
		if err != nil {
			return paths[:i], fmt.Errorf("make a subscription at %s: %w", url, err)
		}
		paths[i] = "/webhooks/ingest/" + s.ID
	}
	return paths, nil
}

// unsubscribe deletes them again, on a service that is not ours to throw away.
func unsubscribe(ctx context.Context, url, key string, paths []string) error {
	c, err := client.New(url, client.WithKey(key))
	if err != nil {
		return err
	}
	defer c.CloseIdleConnections()
	for _, path := range paths {
		if err := c.DeleteSubscription(ctx, filepath.Base(path)); err != nil {
			return fmt.Errorf("delete a subscription of the bench: %w", err)
		}
	}
	return nil
}
