package powerloss

import "math/rand/v2"

// fate is what a crash does to the steps of a file that were not synced.
type fate interface {
	keeps(step, sector int) bool // is it on disk
	size(written, largest int) int
	fill(hole []byte)
}

// everything is the fate without a power failure.
type everything struct{}

func (everything) keeps(int, int) bool           { return true }
func (everything) size(written, largest int) int { return written }
func (everything) fill([]byte)                   {}

// drawn is the fate of a crash.
type drawn struct {
	keep  func(step, sector int) bool
	r     *rand.Rand
	noise bool // the new part of a grown file contains old data of the disk
}

func (d drawn) keeps(step, sector int) bool { return d.keep(step, sector) }

// size returns the written size, or another size to which the file may have grown.
func (d drawn) size(written, largest int) int {
	switch d.r.IntN(6) {
	case 0:
		return max(written, largest)
	case 1:
		return written + d.r.IntN(max(0, largest-written)+1)
	}
	return written
}

func (d drawn) fill(hole []byte) {
	if !d.noise {
		return
	}
	for i := range hole {
		hole[i] = byte(d.r.Uint32())
	}
}

// drawFate draws one of the ways in which a disk loses some of n steps.
func drawFate(r *rand.Rand, n int) fate {
	one, chance := r.IntN(n), []float64{0.1, 0.5, 0.9}[r.IntN(3)]
	part := rand.New(rand.NewPCG(r.Uint64(), 0)) // which sectors, if some are lost
	ways := []func(step, sector int) bool{
		func(int, int) bool { return false },
		func(int, int) bool { return true },
		func(step, _ int) bool { return step < one },                                           // in order, up to one
		func(step, _ int) bool { return step > one },                                           // those before one are lost
		func(step, _ int) bool { return step != one },                                          // all except one
		func(step, _ int) bool { return step == one },                                          // only one
		func(step, _ int) bool { return step < one || step == one && part.Float64() < chance }, // torn in the middle
		func(int, int) bool { return part.Float64() < chance },                                 // all torn
		func(step, _ int) bool { return rand.New(rand.NewPCG(uint64(step), uint64(one))).Float64() < chance },
	}
	return drawn{keep: ways[r.IntN(len(ways))], r: r, noise: r.IntN(3) == 0}
}
