package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hookferry/hookferry/internal/test/childproc"
	"github.com/hookferry/hookferry/internal/test/release010"
)

// service is the process under load.
type service struct {
	program string
	env     []string
	url     string
	process *childproc.Process
	keys    []release010.Key
}

// makeKeys creates an API key of each scope, a revoked one and an expired one.
func (s *service) makeKeys() error {
	for _, k := range []struct{ name, scope, state, expires string }{
		{"operator", "admin", "valid", ""},
		{"producer", "publish", "valid", "3650d"},
		{"support", "read", "valid", ""},
		{"left", "admin", "revoked", ""},
		{"trial", "read", "expired", "1s"},
	} {
		text, err := s.command("keys", "create", k.name, "--scope", k.scope, "--expires", k.expires)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, release010.Key{Name: k.name, Scope: k.scope, State: k.state, Text: strings.TrimSpace(text)})
	}
	return s.revoke("left")
}

func (s *service) revoke(name string) error {
	list, err := s.command("keys", "list")
	if err != nil {
		return err
	}
	for line := range strings.Lines(list) {
		if fields := strings.Fields(line); slices.Contains(fields, strconv.Quote(name)) {
			_, err := s.command("keys", "revoke", fields[0])
			return err
		}
	}
	return fmt.Errorf("`keys list` does not show the key %q:\n%s", name, list)
}

func (s *service) command(args ...string) (string, error) {
	cmd := exec.Command(s.program, args...)
	cmd.Env = s.env
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("hookferry %s: %w\n%s", strings.Join(args, " "), err, said.Bytes())
	}
	return string(out), nil
}

// start starts the service and waits until it is ready.
func (s *service) start(settings ...string) error {
	port, err := childproc.FreePort()
	if err != nil {
		return err
	}
	addr := "127.0.0.1:" + strconv.Itoa(port)
	s.url = "http://" + addr
	env := append(slices.Clone(s.env), "HOOKFERRY_ADDR="+addr, "HOOKFERRY_ADMIN_ADDR=off", "HOOKFERRY_ALLOW_TARGETS=127.0.0.0/8", "LOG_LEVEL=ERROR")
	s.process, err = childproc.Start(childproc.Command{Path: s.program, Args: []string{"serve"}, Env: append(env, settings...)})
	if err != nil {
		return err
	}
	for range 600 {
		if status, _, err := s.call(http.MethodGet, "/readyz", nil, nil); err == nil && status == http.StatusOK {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the service is not ready after 30 seconds; its output:\n%s", s.process.Output())
}

func (s *service) stop() error {
	s.process.Signal(syscall.SIGTERM)
	return s.process.Wait()
}

// call makes a request with the first key.
func (s *service) call(method, path string, header http.Header, body []byte) (status int, response []byte, err error) {
	r, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header = http.Header{"Authorization": {"Bearer " + s.keys[0].Text}, "Content-Type": {"application/json"}}
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	response, err = io.ReadAll(answer.Body)
	return answer.StatusCode, response, err
}

// must makes a request that has to have this status, and decodes its response into v.
func (s *service) must(want int, method, path, body string, v any) error {
	status, response, err := s.call(method, path, nil, []byte(body))
	if err != nil {
		return err
	}
	if status != want {
		return fmt.Errorf("%s %s: status %d, want %d: %s", method, path, status, want, response)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(response, v)
}

// idle waits until nothing is due, in flight, or about to be retried.
func (s *service) idle() error {
	var h struct {
		Queue struct{ Leased, Due int } `json:"queue"`
	}
	for quiet, tries := 0, 0; quiet < 20; tries++ {
		if tries == 600 {
			return fmt.Errorf("after a minute there is still work: %+v", h.Queue)
		}
		time.Sleep(100 * time.Millisecond)
		if err := s.must(http.StatusOK, http.MethodGet, "/health", "", &h); err != nil {
			return err
		}
		if quiet++; h.Queue.Leased+h.Queue.Due > 0 {
			quiet = 0
		}
	}
	return nil
}
