package demo

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/hookferry/hookferry/internal/receiver"
	"github.com/hookferry/hookferry/webhook"
)

const (
	webhookPath = "/webhook"
	strayPath   = "/elsewhere" // the target of the redirect, which must not be followed
)

// endpointServer is an endpoint of the demo, on its own port. Like any careful endpoint, it
// verifies the signature first.
type endpointServer struct {
	endpoint
	index        int
	secret       string
	subscription string // its id, once it exists
	verifier     *webhook.Verifier
	ledger       *ledger
	server       *http.Server
	addr         string
}

func startEndpoint(ctx context.Context, index int, e endpoint, l *ledger) (*endpointServer, error) {
	r := &endpointServer{endpoint: e, index: index, secret: webhook.NewSecret(), ledger: l}
	var err error
	if r.verifier, err = webhook.NewVerifier([]string{r.secret}, webhook.StandardOnly()); err != nil {
		return nil, err
	}
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the endpoint %s: %w", e.name, err)
	}
	r.addr = socket.Addr().String()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go r.server.Serve(socket) // ends with close
	return r, nil
}

func (r *endpointServer) url() string { return "http://" + r.addr + webhookPath }

// close also closes open connections: those that hang would never end.
func (r *endpointServer) close() { r.server.Close() }

func (r *endpointServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	a, err := receiver.Read(req, r.verifier)
	if err != nil {
		panic(http.ErrAbortHandler) // the sender gave up; it will retry
	}
	if req.Method != http.MethodPost || req.URL.Path != webhookPath {
		r.ledger.recordRedirect()
		http.Error(w, "the redirect must not be followed", http.StatusNotFound)
		return
	}
	number := r.ledger.recordRequest(r.index, a)
	if a.Verdict != receiver.Verified {
		http.Error(w, "the signature is "+string(a.Verdict), http.StatusUnauthorized)
		return
	}
	reply := r.respond(req, number)
	// This must precede the response, so that the ledger knows of a 2xx before the service does.
	r.ledger.recordResponse(r.index, a, reply.status)
	if reply.status == 0 {
		panic(http.ErrAbortHandler)
	}
	if reply.location != "" {
		w.Header().Set("Location", reply.location)
	}
	w.WriteHeader(reply.status)
}
