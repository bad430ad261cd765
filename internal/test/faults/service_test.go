package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/childproc"
)

// service is one process of the program.
type service struct {
	t       *testing.T
	url     string
	process *childproc.Process
	client  *http.Client
}

// launch starts the program on a directory, and waits until it is ready or has ended.
func launch(t *testing.T, path, dir string, settings ...string) (s *service, ready bool) {
	t.Helper()
	return run(t, childproc.Command{Path: path, Dir: dir, Env: settings})
}

// run is launch with a complete command.
func run(t *testing.T, c childproc.Command) (s *service, ready bool) {
	t.Helper()
	listening := make(chan string, 1)
	c.Args = []string{"serve", "--dev", "--addr", "127.0.0.1:0"}
	c.Env, c.Output = append([]string{"HOOKFERRY_DATA=" + c.Dir, "HOOKFERRY_ADMIN_ADDR=", "LOG_LEVEL=INFO"}, c.Env...), childproc.Lines(func(text []byte) {
		var line struct{ Msg, API string }
		if json.Unmarshal(text, &line) == nil && line.Msg == "ready" {
			listening <- line.API
		}
	})
	p, err := childproc.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	s = &service{t: t, process: p, client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: await.Patience,
	}}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		p.Kill()
		if t.Failed() {
			t.Logf("the service said:\n%s", p.Output())
		}
	})
	select {
	case s.url = <-listening:
		return s, true
	case <-p.Ended():
		return s, false
	case <-time.After(await.Patience):
		t.Fatalf("after %v it is neither ready nor at its end:\n%s", await.Patience, p.Output())
		return nil, false
	}
}

// serve is launch for a service that must start.
func serve(t *testing.T, path, dir string, settings ...string) *service {
	t.Helper()
	s, ready := launch(t, path, dir, settings...)
	if !ready {
		t.Fatalf("the service did not start:\n%s", s.process.Output())
	}
	return s
}

// stop stops the service like an operator.
func (s *service) stop() {
	s.t.Helper()
	s.client.CloseIdleConnections()
	s.process.Signal(syscall.SIGTERM)
	if err := s.process.Wait(); err != nil {
		s.t.Errorf("after SIGTERM: %v\n%s", err, s.process.Output())
	}
}

// response is a response that was read.
type response struct {
	status int
	header http.Header
	text   string
}

func (a response) field(name string) string {
	var fields map[string]any
	_ = json.Unmarshal([]byte(a.text), &fields)
	return fmt.Sprint(fields[name])
}

func (s *service) call(method, path, body string) (response, error) {
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return response{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	return s.do(req)
}

func (s *service) do(req *http.Request) (response, error) {
	res, err := s.client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return response{res.StatusCode, res.Header, string(text)}, err
}

// want is call for a response that must have the status.
func (s *service) want(status int, method, path, body string) response {
	s.t.Helper()
	a, err := s.call(method, path, body)
	if err != nil || a.status != status {
		s.t.Fatalf("%s %s: %d %s %v, want %d", method, path, a.status, a.text, err, status)
	}
	return a
}

func (s *service) subscribe(target string, more ...string) (id string) {
	s.t.Helper()
	return s.want(http.StatusCreated, "POST", "/subscriptions/", fmt.Sprintf(`{"target_url": %q%s}`, target, strings.Join(more, ""))).field("id")
}

// pending returns the number of pending deliveries, from a count that began at the given time or
// later. The service reuses a count for a second.
func (s *service) pending(since time.Time) (int, error) {
	a, err := s.call("GET", "/health", "")
	var health struct {
		Queue struct {
			Pending   *int
			CountedAt time.Time `json:"counted_at"`
		}
	}
	if err == nil {
		err = json.Unmarshal([]byte(a.text), &health)
	}
	switch q := health.Queue; {
	case err != nil:
		return 0, err
	case a.status != http.StatusOK:
		return 0, fmt.Errorf("/health: %d %s", a.status, a.text)
	case q.Pending == nil || q.CountedAt.Before(since.Truncate(time.Millisecond)):
		return 0, fmt.Errorf("/health has not counted since %v: %s", since, a.text)
	}
	return *health.Queue.Pending, nil
}
