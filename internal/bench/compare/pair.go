package main

import (
	"fmt"
	"slices"
)

// build is one of the two builds.
type build int

const (
	oldBuild build = iota
	newBuild
)

// result is one run of a build.
type result struct {
	cpu    float64 // CPU time of the service and its database per delivery, in microseconds
	rate   float64 // deliveries per second
	others float64 // share of the machine that other processes used
}

// pair is a run of each build, one right after the other.
type pair struct{ old, new result }

func measurePair(newFirst bool, measure func(build) (result, error)) (pair, error) {
	order := []build{oldBuild, newBuild}
	if newFirst {
		slices.Reverse(order)
	}
	var results [2]result
	for _, which := range order {
		var err error
		if results[which], err = measure(which); err != nil {
			return pair{}, err
		}
	}
	return pair{results[oldBuild], results[newBuild]}, nil
}

func (p pair) cpu() float64  { return p.new.cpu / p.old.cpu }
func (p pair) rate() float64 { return p.new.rate / p.old.rate }

// others returns the larger share of the two runs: one disturbed run is enough to spoil the ratio.
func (p pair) others() float64 { return max(p.old.others, p.new.others) }

func (p pair) String() string {
	return fmt.Sprintf("%6.1f %6.1f µs per delivery %.3f   %6.0f %6.0f per second %.3f   others %3.0f %%",
		p.old.cpu, p.new.cpu, p.cpu(), p.old.rate, p.new.rate, p.rate(), 100*p.others())
}

// median returns the median, which may be between two values.
func median(pairs []pair, of func(pair) float64) float64 {
	values := make([]float64, len(pairs))
	for i, p := range pairs {
		values[i] = of(p)
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}
