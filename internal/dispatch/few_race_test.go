//go:build race

package dispatch

// refusalSeeds is how many schedules of refusals are played: each takes ten times as long here.
const refusalSeeds = 1
