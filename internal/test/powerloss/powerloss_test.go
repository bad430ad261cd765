package powerloss

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// lives is how often the store of a history starts.
const lives = 3

// history is a store that runs several times, on disks that crashes have left.
type history struct {
	seed     uint64
	mutation mutation
	perLife  int // crashes to check in each life
	look     func(dir string, found image, must ledger) error

	looked int // checked crashes in total
	seen   coverage
	steps  []step // of the last life
	wrong  string // the first problem, or ""
}

// crash is the state at some moment of a life.
type crash struct {
	step  int    // steps before it
	found image  // on the disk
	must  ledger // be found
}

// play runs the store, and cuts the power of each life at many moments. The next life begins with
// one of these crashes.
func (h *history) play(t *testing.T) {
	r := rand.New(rand.NewPCG(h.seed, 1))
	now := crash{must: ledger{}}
	for life := range lives {
		if err := h.live(t, life, now.found); err != nil {
			h.wrong = fmt.Sprintf("life %d: the store: %v", life, err)
			return
		}
		h.seen.add(h.steps)
		list := h.cut(r, now)
		if h.wrong = h.firstWrong(t, list); h.wrong != "" {
			h.wrong = fmt.Sprintf("life %d, %s", life, h.wrong)
			return
		}
		now = list[r.IntN(len(list))]
	}
}

// live records a life that begins with an image.
func (h *history) live(t *testing.T, life int, base image) (err error) {
	dir := t.TempDir()
	if err := base.put(dir); err != nil {
		return err
	}
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(rand.New(rand.NewPCG(h.seed, uint64(100+life))))
		r := newRecorder(dir, base, turns, h.mutation)
		defer record(r)()
		l := &load{
			r: r, seed: h.seed*lives + uint64(life), ctx: context.Background(), clock: epoch(life),
			rand: rand.New(rand.NewPCG(h.seed, uint64(200+life))),
		}
		go func() {
			defer turns.end()
			err = l.work()
		}()
		turns.run()
		h.steps = r.steps
	})
	return err
}

// cut cuts the power of a life at some moments, in order.
func (h *history) cut(r *rand.Rand, base crash) []crash {
	moments := make([]int, h.perLife)
	for i := range moments {
		moments[i] = 1 + r.IntN(len(h.steps))
	}
	slices.Sort(moments)
	d, must, at := newDisk(base.found), base.must.clone(), 0
	list := make([]crash, 0, len(moments))
	for _, moment := range moments {
		for ; at < moment; at++ {
			d.apply(h.steps[at])
			must.note(h.steps[at].note)
		}
		list = append(list, crash{at, d.crash(r), must.clone()})
	}
	return list
}

// firstWrong checks crashes, several at a time, and says what is wrong with the first bad one.
func (h *history) firstWrong(t *testing.T, list []crash) string {
	wrong := make([]error, len(list))
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		dir := t.TempDir()
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(list); i = int(next.Add(1)) - 1 {
				wrong[i] = h.look(dir, list[i].found, list[i].must)
			}
		})
	}
	all.Wait()
	h.looked += len(list)
	for i, err := range wrong {
		if err != nil {
			return fmt.Sprintf("crash %d, after step %d of %d: %v", i, list[i].step, len(h.steps), err)
		}
	}
	return ""
}

// TestPowerLoss plays histories with HOOKFERRY_TEST_POWERLOSS crashes, starting with the seed
// HOOKFERRY_TEST_POWERLOSS_SEED.
func TestPowerLoss(t *testing.T) {
	began := time.Now()
	var seen coverage
	looked, most := 0, setting(t, "HOOKFERRY_TEST_POWERLOSS", few(crashes))
	for seed := setting(t, "HOOKFERRY_TEST_POWERLOSS_SEED", 1); looked < most; seed++ {
		h := history{seed: uint64(seed), mutation: honest{}, perLife: perLife, look: check}
		h.play(t)
		looked += h.looked
		seen = seen.plus(h.seen)
		if h.wrong != "" {
			t.Fatalf("seed %d: %s\nplay it again with: HOOKFERRY_TEST_POWERLOSS=1 HOOKFERRY_TEST_POWERLOSS_SEED=%[1]d go test -run 'TestPowerLoss$' ./internal/test/powerloss", seed, h.wrong)
		}
	}
	t.Logf("%d crashes in %v: %+v", looked, time.Since(began).Round(time.Millisecond), seen)
	if seen.restarts == 0 || seen.beside == 0 || seen.large == 0 {
		t.Errorf("the load does not reach all states: %+v", seen)
	}
}

// few is n, or a tenth of it in a quick run of the tests.
func few(n int) int {
	if testing.Short() {
		return (n + 9) / 10
	}
	return n
}

func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q: it must be a number from 1 on", name, text)
	}
	return n
}

// TestSeedsReplay plays seeds twice, and expects the same steps and crashes.
func TestSeedsReplay(t *testing.T) {
	for seed := range uint64(few(replayed)) {
		first, second := history{seed: seed, mutation: honest{}, perLife: 5, look: check}, history{seed: seed, mutation: honest{}, perLife: 5, look: check}
		first.play(t)
		second.play(t)
		if first.wrong != second.wrong || !slices.EqualFunc(first.steps, second.steps, same) {
			t.Errorf("seed %d gave another run the second time: %d steps and %d, %q and %q", seed, len(first.steps), len(second.steps), first.wrong, second.wrong)
		}
	}
}

func same(a, b step) bool {
	return a.kind == b.kind && a.inode == b.inode && a.offset == b.offset && bytes.Equal(a.bytes, b.bytes)
}
