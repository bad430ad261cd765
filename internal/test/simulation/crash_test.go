package simulation

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/dispatch"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// scene is a small scenario with every kind of step: events stored with a claim, and without one if
// a lane has no capacity; attempts that succeed, fail, and end a delivery; claims of retries;
// renewed leases; events that are published to a tenant; and a normal stop that releases what waits.
type scene struct {
	*world
	cast

	acked []event.Receipt // what callers were told is stored
}

// cast are the subscriptions of a scene.
type cast struct {
	quick, shaky, dead, gone, slow, keyed event.Subscription
	members                               []event.Subscription // of the tenant
}

var sceneOptions = dispatch.Options{
	Policy: event.RetryPolicy{2 * time.Second}, Lease: 6 * time.Second, Grace: 30 * time.Second,
	Limits: dispatch.Limits{InFlight: 64, LaneInFlight: 16, LaneDepth: 4, Buffered: 200, BufferedBytes: 1 << 20},
}

// stage creates the scene's database, with only its subscriptions.
func stage(w *world) *scene {
	file, err := sqlite.Open(w.t.Context(), w.path, sqlite.Options{})
	w.must(err)
	s := &scene{world: w}
	s.quick = w.subscribe(file, after(10*time.Millisecond, ok()))
	s.shaky = w.subscribe(file, first(1, 10*time.Millisecond, status(500)))
	s.dead = w.subscribe(file, after(0, status(500)))
	s.gone = w.subscribe(file, after(0, status(410)))
	s.slow = w.subscribe(file, after(4*time.Second, ok()), func(s *event.Subscription) { s.MaxInFlight = 1 })
	s.keyed = w.subscribe(file, after(0, ok()))
	for range 3 {
		s.members = append(s.members, w.subscribe(file, after(10*time.Millisecond, ok()), func(s *event.Subscription) { s.Tenant = "acme" }))
	}
	w.must(file.Close())
	return s
}

// play lets callers publish and then stops the process normally, unless it dies first. done is
// closed when nothing of the process is left.
func (s *scene) play(p *process) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		for _, post := range []struct {
			sub event.Subscription
			key string
		}{
			{s.slow, ""},
			{s.slow, ""},
			{s.slow, ""}, // the third finds no capacity
			{s.quick, ""},
			{s.shaky, ""},
			{s.dead, ""},
			{s.gone, ""},
			{s.keyed, "order-1"},
			{s.keyed, "order-1"},
		} {
			if got, err := p.post(post.sub.ID, post.key); err == nil {
				s.acked = append(s.acked, got.Receipt)
			}
		}
		for _, key := range []string{"", "order-1", "order-1"} {
			if got, err := p.publish(s.members, key); err == nil {
				s.acked = append(s.acked, got)
			}
		}
		time.Sleep(5 * time.Second)
		p.end()
		<-p.ended
	}()
	select {
	case <-done:
	case <-p.gate.died:
	}
	synctest.Wait() // whatever else happens at that instant
	return done
}

// moment is the state of a delivery in the database when a process has died.
type moment struct {
	event.Delivery
	arrived, recorded int
	unrecordedSuccess bool
}

// look reads the database that the dead process left, before another process opens it.
func (s *scene) look(p *process) (at map[event.ID]moment) {
	s.must(p.file.Close())
	file, err := sqlite.Open(s.t.Context(), s.path, sqlite.Options{Shared: true})
	s.must(err)
	defer file.Close()
	at = map[event.ID]moment{}
	for _, offered := range p.gate.offered {
		stored := 0
		for _, id := range offered {
			r, err := file.Delivery(s.t.Context(), id)
			if errors.Is(err, event.ErrNotFound) {
				continue // it was not stored, or is a repeated request
			}
			s.must(err)
			at[id] = s.moment(r)
			stored++
		}
		if stored != 0 && stored != len(offered) {
			s.t.Errorf("an event has %d of its %d deliveries", stored, len(offered))
		}
	}
	return at
}

func (s *scene) moment(r event.DeliveryReport) moment {
	arrivals := s.arrivals(r.Delivery.ID)
	m := moment{Delivery: r.Delivery, arrived: len(arrivals), recorded: len(r.Attempts)}
	for _, a := range arrivals[len(r.Attempts):] {
		m.unrecordedSuccess = m.unrecordedSuccess || a.success
	}
	return m
}

// TestCrashAtEveryStep kills the process at its first step, in another run at its second, and so
// on, each time once before the step has any effect and once after.
func TestCrashAtEveryStep(t *testing.T) {
	bubble(t, func(w *world) {
		s := stage(w)
		template := os.DirFS(filepath.Dir(w.path))
		for _, after := range []bool{false, true} {
			for k := 1; ; k += stride {
				run := &scene{world: newWorld(w.t), cast: s.cast}
				run.scripts = w.scripts
				w.must(os.CopyFS(filepath.Dir(run.path), template))
				steps, died := run.crash(k, after)
				if !died {
					w.hasAll(steps)
					break
				}
				if w.t.Failed() {
					w.t.Fatalf("… when the process died at step %d, after it: %v", k, after)
				}
			}
		}
	})
}

// crash plays the scene with a death at a step, and then runs a second process until all is
// settled. It returns the steps that were made; died is false if the scene was over before that
// step.
func (s *scene) crash(k int, after bool) (steps map[string]int, died bool) {
	p := s.start(newGate(k, after), sceneOptions)
	done := s.play(p)
	died = p.gate.isDead()
	at := s.look(p)

	next := s.start(newGate(0, false), sceneOptions)
	restarted := time.Now()
	time.Sleep(time.Minute)
	synctest.Wait()
	s.nothingLost(next, at)
	for id, m := range at {
		s.checkOutcome(s.report(next.store, id), m, restarted)
	}
	next.stop()
	close(p.gate.freed) // calls of the dead process that still hang now fail
	<-done
	return p.gate.steps, died
}

// hasAll checks that the scene has steps of every kind.
func (w *world) hasAll(steps map[string]int) {
	w.t.Helper()
	for _, name := range []string{"accept", "claim", "record", "renew", "release", "rescue", "send"} {
		if steps[name] == 0 {
			w.t.Errorf("the scene has no step of the kind %s: %v", name, steps)
		}
	}
}

// nothingLost checks the counts, and that everything that callers were told is safe is stored.
func (s *scene) nothingLost(p *process, at map[event.ID]moment) {
	s.t.Helper()
	n := s.account(p.store, len(at))
	if n[event.Pending] != 0 {
		s.t.Errorf("%d are still pending a minute after the restart", n[event.Pending])
	}
	for _, a := range s.acked {
		for _, id := range a.Deliveries { // a replay to a tenant names none
			if _, found := at[id]; !found {
				s.t.Errorf("a delivery that was acknowledged is lost (a replay: %v)", a.Replayed)
			}
		}
	}
}

// checkOutcome checks a delivery from the crash to its end.
func (s *scene) checkOutcome(r event.DeliveryReport, m moment, restarted time.Time) {
	s.t.Helper()
	arrivals := s.arrivals(r.Delivery.ID)
	if lost := len(arrivals) - len(r.Attempts); lost != m.arrived-m.recorded {
		s.t.Errorf("%d attempts are not recorded, want the %d that the crash interrupted", lost, m.arrived-m.recorded)
	}
	want := event.Delivered
	if sub := r.Delivery.SubscriptionID; sub == s.dead.ID || sub == s.gone.ID {
		want = event.Failed
	}
	if r.Delivery.Status != want || want == event.Delivered && successes(r) != 1 {
		s.t.Errorf("a delivery is %v with %d recorded successes, want %v", r.Delivery.Status, successes(r), want)
	}
	twice := 0
	for _, a := range arrivals {
		if a.success {
			twice++
		}
	}
	if twice > 1 && !m.unrecordedSuccess || twice > 2 {
		s.t.Errorf("an endpoint accepted an event %d times, but the crash was not between its response and the record", twice)
	}
	if m.Status != event.Pending {
		if len(arrivals) != m.arrived {
			s.t.Errorf("a delivery that was %v was attempted again", m.Status)
		}
		return
	}
	due := m.DueAt
	if due.Before(restarted) || m.LeaseOwner != "" {
		due = restarted
	}
	first := arrivals[m.arrived].at
	queued := r.Delivery.SubscriptionID == s.slow.ID // one by one, four seconds each
	if first.Before(due) || !queued && !first.Equal(due) || queued && first.Sub(due) > 8*time.Second {
		s.t.Errorf("after the crash it was attempted at %v, want %v", first.Sub(restarted), due.Sub(restarted))
	}
}
