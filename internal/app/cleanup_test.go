package app

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/api"
	"github.com/hookferry/hookferry/internal/config"
)

func TestCloseOrder(t *testing.T) {
	var log strings.Builder
	var closed []string
	a := &App{log: slog.New(slog.NewTextHandler(&log, nil))}
	for _, c := range []cleanup{
		{"one", func() error { return nil }},
		{"two", func() error { return errors.New("it hangs") }},
		{"three", func() error { return nil }},
	} {
		a.onClose(c.name, func() error { closed = append(closed, c.name); return c.do() })
	}
	a.close()
	a.close() // nothing is left to close
	if want := []string{"three", "two", "one"}; !slices.Equal(closed, want) {
		t.Errorf("closed %v, want %v", closed, want)
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), `msg="could not close two" error="it hangs"`) {
		t.Errorf("the log says\n%s", log.String())
	}
}

// A failure at any point of the start leaves nothing open: the same start succeeds as soon as the
// cause is gone.
func TestNewFailsAndLeavesNothingOpen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	settings := func(addr, adminAddr string) config.Config {
		cfg, err := config.Load([]string{"HOOKFERRY_ADMIN_ADDR=" + adminAddr}, "", config.Overrides{Dev: true, Addr: addr, Data: dir})
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	const free = "127.0.0.1:0"
	conflict := func(api.Options) (http.Handler, error) {
		return nil, errors.New("GET /a/{x} and PUT /a/{y} give a parameter at the same position different names")
	}
	for _, c := range []struct {
		reason  string
		cfg     config.Config
		makeAPI func(api.Options) (http.Handler, error)
		words   string // in the error; "": no error
	}{
		{"two routes conflict", settings(free, free), conflict, "GET /a/{x} and PUT /a/{y}"},
		{"the API's address is taken", settings(taken.Addr().String(), free), api.New, "choose another address with --addr or HOOKFERRY_ADDR"},
		{"the admin address is taken", settings(free, taken.Addr().String()), api.New, "choose another address with --admin-addr or HOOKFERRY_ADMIN_ADDR"},
		{"nothing fails", settings(free, free), api.New, ""},
	} {
		a, err := open(t.Context(), &App{cfg: c.cfg, log: slog.New(slog.DiscardHandler), makeAPI: c.makeAPI}, "test")
		if (err != nil) != (c.words != "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, want %q", c.reason, err, c.words)
		}
		if a != nil {
			a.close()
		}
	}
}
