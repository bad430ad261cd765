package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/webhook"
)

// listenOptions are the flags of `hookferry listen`.
type listenOptions struct {
	addr      string
	secret    string
	status    int
	delay     time.Duration
	body      string
	failFirst int
	asJSON    bool
	hostile   string // the kind, if it is to misbehave
}

func newListen(s streams) *cobra.Command {
	var o listenOptions
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Receive webhooks on this machine and print them",
		Long: `Runs a receiver that takes a request to any path, checks its signature where it
knows the secret, prints it, and answers as the flags say. It is for trying things
out: it answers the same whether the signature is right or wrong.

The secret is that of the subscription. Other users of this machine can see a flag
in the list of processes; the environment variable LISTEN_SECRET does the same.

` + hostileHelp(),
		Example: `  hookferry listen
  LISTEN_SECRET=my_secret_key hookferry listen
  hookferry listen --fail-first 2                  # 500 twice, then 200
  hookferry listen --status 503 --delay 3s
  hookferry listen --json | jq .body.data
  hookferry listen --hostile slow-body`,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.hostile != "" {
				if err := hostileAlone(cmd); err != nil {
					return usageError{err}
				}
				return listenHostile(cmd.Context(), s, o.addr, o.hostile)
			}
			if o.secret == "" {
				o.secret = os.Getenv("LISTEN_SECRET")
			}
			l, err := newListener(s, o)
			if err != nil {
				return usageError{err}
			}
			return l.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", "127.0.0.1:9000", "address to listen on")
	f.StringVar(&o.secret, "secret", "", "secret to check signatures with (better: LISTEN_SECRET)")
	f.IntVar(&o.status, "status", http.StatusOK, "status to answer, 200 to 599")
	f.DurationVar(&o.delay, "delay", 0, "how long to wait before the answer")
	f.StringVar(&o.body, "body", "", "body of the answer")
	f.IntVar(&o.failFirst, "fail-first", 0, "answer 500 to the first `N` attempts of each webhook-id")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object a line")
	f.StringVar(&o.hostile, "hostile", "", "misbehave on purpose: one `KIND` of those above")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("hostile", cobra.FixedCompletions(hostileNames(), cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// listener is the receiver that `hookferry listen` runs.
type listener struct {
	listenOptions
	verifier *webhook.Verifier // nil without a secret
	printer  listenPrinter
	notes    *screen         // what is said beside the webhooks
	ended    <-chan struct{} // delays end with it

	mu    sync.Mutex
	tries tries
	count int
}

func newListener(s streams, o listenOptions) (*listener, error) {
	switch {
	case o.status < 200 || o.status > 599:
		return nil, fmt.Errorf("--status is %d; an answer's status is between 200 and 599", o.status)
	case o.body != "" && (o.status == http.StatusNoContent || o.status == http.StatusNotModified):
		return nil, fmt.Errorf("--status %d has no body: leave out --body, or choose another status", o.status)
	case o.delay < 0:
		return nil, fmt.Errorf("--delay is %v; write one like 500ms or 3s", o.delay)
	case o.failFirst < 0:
		return nil, fmt.Errorf("--fail-first is %d; write how many attempts are to fail", o.failFirst)
	}
	l := &listener{listenOptions: o, notes: newScreen(s.err), tries: tries{most: maxTries}}
	l.printer = listenPrinter{newScreen(s.out), o.asJSON}
	if o.secret == "" {
		return l, nil
	}
	verifier, err := webhook.NewVerifier([]string{o.secret})
	if err != nil {
		return nil, fmt.Errorf("the secret can't be used: %w", err)
	}
	l.verifier = verifier
	return l, nil
}

// run listens until ctx ends.
func (l *listener) run(ctx context.Context) error {
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.addr)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --addr", err)
	}
	l.ended = ctx.Done()
	server := &http.Server{
		Handler:           l,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // about clients that break off
	}
	l.notes.print(l.greeting(socket.Addr().String())...)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(socket) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// Delays end with ctx, so this takes no longer than writing the last answers.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if errors.Is(server.Shutdown(last), context.DeadlineExceeded) {
		server.Close()
	}
	l.notes.print(lineOf(""), lineOf(fmt.Sprintf("Stopped after %s.", number(l.count, "webhook"))))
	return nil
}

// ServeHTTP takes one webhook, prints it and answers.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := readArrival(r, l.verifier)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errArrivalTooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		l.print(shown{arrival: a, answer: status, note: err.Error()})
		http.Error(w, err.Error(), status)
		return
	}
	s := l.print(shown{arrival: a, answer: l.status, delay: l.delay})
	if !l.wait(r) {
		return
	}
	w.WriteHeader(s.answer)
	if body := l.bodyOf(s); body != "" {
		io.WriteString(w, body)
	}
}

// print counts the webhook, settles how it is answered, and prints it.
func (l *listener) print(s shown) shown {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	if s.id != "" && s.note == "" {
		s.attempt = l.tries.next(s.id)
		if s.attempt <= l.failFirst {
			s.answer = http.StatusInternalServerError
		}
	}
	l.printer.print(s)
	return s
}

func (l *listener) bodyOf(s shown) string {
	if s.attempt > 0 && s.attempt <= l.failFirst {
		return "fails at first, as --fail-first says"
	}
	return l.body
}

// wait waits out the delay. It returns false when the sender did not wait as long.
func (l *listener) wait(r *http.Request) bool {
	if l.delay == 0 {
		return true
	}
	timer := time.NewTimer(l.delay)
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
	maxTries = 10_000 // webhook-ids that are remembered
	maxTryID = 256    // bytes of one that tell it from others
)

// tries counts how often each webhook-id came. It forgets the oldest ids once
// there are too many.
type tries struct {
	most  int
	count map[string]int
	order []string
}

func (t *tries) next(id string) int {
	id = id[:min(len(id), maxTryID)]
	if t.count == nil {
		t.count = map[string]int{}
	}
	if t.count[id] == 0 {
		if len(t.order) == t.most {
			delete(t.count, t.order[0])
			t.order = t.order[1:]
		}
		t.order = append(t.order, id)
	}
	t.count[id]++
	return t.count[id]
}
