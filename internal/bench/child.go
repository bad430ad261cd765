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

// startChild runs the program with arguments. It writes the output to a file in dir.
func startChild(self, dir, name string, env []string, args ...string) (*child, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self, args...), log: log, ended: make(chan struct{})}
	c.cmd.Dir, c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = dir, env, log, log
	dieWithParent(c.cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel watches the thread that starts the process
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

// kill ends the process at once. Its data is not kept.
func (c *child) kill() {
	c.cmd.Process.Kill()
	<-c.ended
	c.log.Close()
}

// outputTail returns the end of the output.
func (c *child) outputTail() string {
	b, _ := os.ReadFile(c.log.Name())
	return string(bytes.TrimSpace(b[max(0, len(b)-2000):]))
}

// waitUntilUp calls ask until it succeeds, or the child has ended.
func (c *child) waitUntilUp(ctx context.Context, ask func() error) error {
	deadline := time.After(time.Minute)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-c.ended:
			return fmt.Errorf("it exited at once; its output:\n%s", c.outputTail())
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return fmt.Errorf("it does not respond: %w; its output:\n%s", err, c.outputTail())
		case <-time.After(time.Millisecond):
		}
	}
}

// tryDial returns nil if something listens at addr.
func tryDial(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err == nil {
		conn.Close()
	}
	return err
}

// freeAddr returns a free address on this machine.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// subscribe creates the subscriptions of a load and returns the paths to publish to. If it fails,
// it returns those of the subscriptions that it created.
func subscribe(ctx context.Context, url, key string, load Load, r *receiver) ([]string, error) {
	c, err := client.New(url, client.WithKey(key))
	if err != nil {
		return nil, err
	}
	defer c.CloseIdleConnections()
	paths := make([]string, load.Subscriptions)
	for i := range paths {
		s, err := c.CreateSubscription(ctx, client.SubscriptionInput{
			TargetURL: r.url(load, i), Secret: "a secret of the bench", Description: "created by hookferry bench",
		})
		if err != nil {
			return paths[:i], fmt.Errorf("create a subscription at %s: %w", url, err)
		}
		paths[i] = "/webhooks/ingest/" + s.ID
	}
	return paths, nil
}

// unsubscribe deletes the subscriptions, on a service that the bench did not start.
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
