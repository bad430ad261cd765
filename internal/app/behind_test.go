package app_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/test/await"
)

// While another node is behind with a subscription, requests to it wait at an API node. Requests to
// other subscriptions do not, nor do later ones.
func TestPublishersWaitForNodesThatAreBehind(t *testing.T) {
	settings := []string{"DATABASE_URL=" + postgresServer.Database(t, "")}
	door := start(t, t.TempDir(), append(settings, "HOOKFERRY_ROLE=api")...)
	r := receive(t, "", nil)
	busy, other := door.subscribe(map[string]any{"target_url": r.URL}), door.subscribe(map[string]any{"target_url": r.URL})
	elsewhere, err := app.OpenStore(t.Context(), load(t, t.TempDir(), append(settings, "HOOKFERRY_ROLE=worker")...))
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	id, err := event.ParseID(busy)
	if err != nil {
		t.Fatal(err)
	}
	took := func(sub string) time.Duration {
		begun := time.Now()
		door.publish(sub, created)
		return time.Since(begun)
	}
	const waits = 150 * time.Millisecond // far less than a request waits for capacity, and far more than it takes otherwise

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				elsewhere.(store.Listener).TellBehind(id, true)
			}
		}
	}()
	await.NoError(t, func() error {
		if d := took(busy); d < waits {
			return fmt.Errorf("a post took %v", d)
		}
		return nil
	})
	quick := func(sub string) func() error {
		return func() error { // a busy machine may make any single request slow
			if d := took(sub); d >= waits {
				return errors.New("no post was fast")
			}
			return nil
		}
	}
	await.NoError(t, quick(other))
	close(stop)
	<-stopped
	await.NoError(t, quick(busy))
}
