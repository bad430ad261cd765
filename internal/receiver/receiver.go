// Package receiver runs an endpoint on this machine for people who try things out. It reads a
// request, checks its signature, prints it and responds as configured. `hookferry listen` runs it,
// and the endpoints of the demo use it to read requests.
//
// It accepts any request, whether its signature is valid or not. A real endpoint needs only package
// webhook.
//
// Start with Receiver. arrival.go reads a request.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/terminal"
	"github.com/hookferry/hookferry/webhook"
)

// Options configure the responses and the output. Errors about them name the flags of `hookferry
// listen`.
type Options struct {
	Addr      string
	Secret    string        // to check signatures with; "" to check none
	Status    int           // of the response
	Delay     time.Duration // before the response
	Body      string        // of the response
	FailFirst int           // respond with 500 to this many attempts of each webhook-id
	AsJSON    bool          // print one JSON object per line
}

// Receiver is an HTTP server that prints what it receives.
type Receiver struct {
	Options
	verifier *webhook.Verifier // nil without a secret
	printer  printer
	notes    *terminal.Screen // output other than webhooks
	ended    <-chan struct{}  // ends delays

	mu    sync.Mutex
	tries tries
	count int
}

// New returns a Receiver that prints webhooks to out, and everything else to notes.
func New(out, notes io.Writer, o Options) (*Receiver, error) {
	switch {
	case o.Status < 200 || o.Status > 599:
		return nil, fmt.Errorf("--status is %d; write a status from 200 to 599", o.Status)
	case o.Body != "" && (o.Status == http.StatusNoContent || o.Status == http.StatusNotModified):
		return nil, fmt.Errorf("--status %d has no body: leave out --body, or choose another status", o.Status)
	case o.Delay < 0:
		return nil, fmt.Errorf("--delay is %v; write a duration like 500ms or 3s", o.Delay)
	case o.FailFirst < 0:
		return nil, fmt.Errorf("--fail-first is %d; write the number of attempts that fail", o.FailFirst)
	}
	l := &Receiver{Options: o, notes: terminal.NewScreen(notes), tries: tries{limit: maxTries}}
	l.printer = printer{terminal.NewScreen(out), out, o.AsJSON}
	if o.Secret == "" {
		return l, nil
	}
	verifier, err := webhook.NewVerifier([]string{o.Secret})
	if err != nil {
		return nil, fmt.Errorf("the secret can't be used: %w", err)
	}
	l.verifier = verifier
	return l, nil
}

// Run serves until ctx ends.
func (l *Receiver) Run(ctx context.Context) error {
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.Addr)
	if err != nil {
		return fmt.Errorf("can't listen on %q: %w; choose another address with --addr", l.Addr, err)
	}
	l.ended = ctx.Done()
	server := &http.Server{
		Handler:           l,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // about clients that disconnect
	}
	l.notes.Print(l.greeting(socket.Addr().String())...)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(socket) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// Delays end with ctx, so this takes no longer than writing the last responses.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if errors.Is(server.Shutdown(last), context.DeadlineExceeded) {
		server.Close()
	}
	l.notes.Print(terminal.LineOf(""), terminal.LineOf(fmt.Sprintf("Stopped after %s.", terminal.Number(l.count, "webhook"))))
	return nil
}

// ServeHTTP reads one webhook, prints it and responds.
func (l *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := Read(r, l.verifier)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, ErrTooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		l.print(shown{Arrival: a, status: status, note: err.Error()})
		http.Error(w, err.Error(), status)
		return
	}
	s := l.print(shown{Arrival: a, status: l.Status, delay: l.Delay})
	if !l.wait(r) {
		return
	}
	w.WriteHeader(s.status)
	if body := l.bodyOf(s); body != "" {
		io.WriteString(w, body)
	}
}

// print counts the webhook, determines the response, and prints the webhook.
func (l *Receiver) print(s shown) shown {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	if s.ID != "" && s.note == "" {
		s.attempt = l.tries.next(s.ID)
		if s.attempt <= l.FailFirst {
			s.status = http.StatusInternalServerError
		}
	}
	l.printer.print(s)
	return s
}

func (l *Receiver) bodyOf(s shown) string {
	if s.attempt > 0 && s.attempt <= l.FailFirst {
		return "this attempt fails because of --fail-first"
	}
	return l.Body
}

// wait waits for the delay. It returns false if the client disconnects first.
func (l *Receiver) wait(r *http.Request) bool {
	if l.Delay == 0 {
		return true
	}
	timer := time.NewTimer(l.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.ended:
	case <-r.Context().Done():
		return false
	}
	return true
}

const (
	maxTries = 10_000 // number of webhook-ids that are remembered
	maxTryID = 256    // number of bytes of an id that are compared
)

// tries counts how often each webhook-id arrived. It forgets the oldest ids when there are too
// many.
type tries struct {
	limit int
	count map[string]int
	order []string
}

func (t *tries) next(id string) int {
	id = id[:min(len(id), maxTryID)]
	if t.count == nil {
		t.count = map[string]int{}
	}
	if t.count[id] == 0 {
		if len(t.order) == t.limit {
			delete(t.count, t.order[0])
			t.order = t.order[1:]
		}
		t.order = append(t.order, id)
	}
	t.count[id]++
	return t.count[id]
}
