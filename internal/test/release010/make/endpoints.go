package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"
)

// endpoints are the endpoints of all subscriptions: one server, which behaves as the path says.
type endpoints struct {
	port int

	mu   sync.Mutex
	seen map[string]int // requests by webhook-id, and by path
}

func startEndpoints() (*endpoints, error) {
	e := &endpoints{seen: map[string]int{}}
	server := httptest.NewServer(e)
	e.port = server.Listener.Addr().(*net.TCPAddr).Port
	return e, nil
}

// url returns the URL of an endpoint. Nothing listens on port 1.
func (e *endpoints) url(host, path string) string {
	port := e.port
	if path == "/closed" {
		port = 1
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port)) + path
}

func (e *endpoints) count(what string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen[what]++
	return e.seen[what]
}

func (e *endpoints) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	attempt, request := e.count(r.Header.Get("webhook-id")), e.count(r.URL.Path)
	status := http.StatusOK
	switch r.URL.Path {
	case "/slow":
		time.Sleep(2 * time.Second)
	case "/hanging":
		<-r.Context().Done()
	case "/failing":
		status = http.StatusInternalServerError
	case "/flaky":
		if attempt < 3 {
			status = http.StatusBadGateway
		}
	case "/every-other":
		if request%2 == 0 {
			status = http.StatusServiceUnavailable
		}
	case "/busy":
		w.Header().Set("Retry-After", "3600")
		status = http.StatusTooManyRequests
	case "/gone":
		status = http.StatusGone
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte("the endpoint says " + strconv.Itoa(status)))
}
