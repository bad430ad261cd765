package bench

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"time"
)

// relayWorkers is the number of workers that forward events, and relayQueue the length of their
// queue.
const (
	relayWorkers = 64
	relayQueue   = 8192
)

// relayedEvent is one event on its way through the relay.
type relayedEvent struct {
	path string
	body []byte
}

// Relay is the limit that the service is compared with: a server and client of net/http that accept
// an event, sign it and forward it to the same path on the host to. They store nothing: accepted
// events are lost when it dies. It serves until ctx ends.
func Relay(ctx context.Context, l net.Listener, to string) error {
	queue := make(chan relayedEvent, relayQueue)
	client := &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 2 * relayWorkers, DisableCompression: true},
		Timeout:   10 * time.Second,
	}
	for range relayWorkers {
		go func() {
			for r := range queue {
				forward(client, "http://"+to+r.path, r.body)
			}
		}()
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxSize))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		queue <- relayedEvent{r.URL.Path, body}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		w.Write([]byte(`{"status":"pending"}`))
	})}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	err := server.Serve(l)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// forward forwards a body with one signature.
func forward(client *http.Client, url string, body []byte) {
	mac := hmac.New(sha256.New, []byte("relay"))
	mac.Write(body)
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := client.Do(req)
	if err != nil {
		return // the receiver's count shows it
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}
