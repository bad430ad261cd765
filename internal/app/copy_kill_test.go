package app_test

import (
	"bytes"
	"database/sql"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/await"
)

// manyEvents adds events to a database until several batches of each kind are needed.
func manyEvents(t *testing.T, path string) {
	t.Helper()
	s := openSQLite(t, path)
	defer s.Close()
	sub := newSubscription(t, s)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 70 {
				a := offer(sub, time.Now(), leasedTo("node"))
				if _, err := s.Accept(t.Context(), a); err != nil {
					t.Errorf("accept: %v", err)
				}
				settled := event.Settle(a.Deliveries[0], event.Outcome{StartedAt: time.Now(), StatusCode: 200}, nil, time.Now(), 0.5)
				if err := s.Record(t.Context(), []event.Settlement{settled}); err != nil {
					t.Errorf("record: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// A copy that is killed during its migrations, and after each batch, is completed by the next ones.
func TestCopySurvivesKills(t *testing.T) {
	binary := build(t)
	path, url := everyState(t), postgresServer.Database(t, "")
	manyEvents(t, path)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	kills := 0
	for ; copyUntil(t, db, binary, path, url, reached(t, db)); kills++ {
		if kills > 100 {
			t.Fatal("the copy does not end")
		}
	}
	t.Logf("%d kills", kills)
	if kills < 5 {
		t.Errorf("it was killed only %d times", kills)
	}
	wantCopied(t, copyOf(t, path, url))
}

// reached is the progress of the copy.
func reached(t *testing.T, db *sql.DB) (where string) {
	t.Helper()
	for _, query := range []string{
		`SELECT (to_regclass('goose_db_version') IS NOT NULL)::text || (to_regclass('copied_from') IS NOT NULL)::text`,
		`SELECT count(*)::text FROM copied_from`,
		`SELECT step || coalesce(encode(cursor, 'hex'), '') || coalesce(ended_at::text, '') FROM copied_from`,
	} {
		var text string
		if err := db.QueryRowContext(t.Context(), query).Scan(&text); err != nil {
			return where // there is no such table yet, or no row
		}
		where += text + " "
	}
	return where
}

// copyUntil runs the command until the copy has made progress, and then kills it. It
// returns false if the command has ended by itself.
func copyUntil(t *testing.T, db *sql.DB, binary, path, url, before string) (killed bool) {
	t.Helper()
	cmd := exec.Command(binary, "copy", "--from", "sqlite://"+path)
	cmd.Dir = t.TempDir() // no .env
	cmd.Env = []string{"DATABASE_URL=" + url}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	result, isOver := error(nil), false
	await.NoError(t, func() error {
		select {
		case result = <-ended:
			isOver = true
			return nil
		default:
		}
		if reached(t, db) == before {
			return errors.New("the copy makes no progress")
		}
		return nil
	})
	if !isOver {
		cmd.Process.Kill()
		result = <-ended
	}
	if result != nil && cmd.ProcessState.Exited() {
		t.Fatalf("the command failed: %s", said.String())
	}
	return result != nil
}

// A service on the copy continues where the service on the source stopped.
func TestAServiceContinuesOnACopy(t *testing.T) {
	t.Parallel()
	ok := make(chan struct{})
	endpoint := receive(t, "", func(w http.ResponseWriter, _ *http.Request, _ int) {
		select {
		case <-ok:
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	first := start(t, t.TempDir(), "WEBHOOK_RETRY_SCHEDULE=2s,2s,2s,2s,2s,2s,2s,2s")
	sub := first.subscribe(map[string]any{"target_url": endpoint.URL, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
	retried := first.publish(sub, created)
	first.until(retried, func(d map[string]any) bool { return len(d["attempts"].([]any)) == 1 })
	first.want(http.StatusOK, "POST", "/subscriptions/"+sub+"/pause", map[string]any{"reason": "moving"})
	paused := first.want(http.StatusOK, "GET", "/subscriptions/"+sub, nil)
	waiting := first.publish(sub, created)
	first.stop()

	url := postgresServer.Database(t, "")
	account, err := copyOf(t, filepath.Join(first.dir, "hookferry.db"), url).Run(t.Context())
	if err != nil {
		t.Fatalf("%v\n%v", err, account)
	}
	close(ok)
	second := start(t, t.TempDir(), "DATABASE_URL="+url)
	if diff := cmp.Diff(paused, second.want(http.StatusOK, "GET", "/subscriptions/"+sub, nil)); diff != "" {
		t.Errorf("the paused subscription (- source, + copy):\n%s", diff)
	}
	second.want(http.StatusOK, "POST", "/subscriptions/"+sub+"/resume", nil)
	for id, attempts := range map[string]int{retried: 2, waiting: 1} {
		if d := second.settled(id); d["status"] != "delivered" || len(d["attempts"].([]any)) < attempts {
			t.Errorf("delivery %v, want it delivered by attempt %d or a later one", d, attempts)
		}
	}
}
