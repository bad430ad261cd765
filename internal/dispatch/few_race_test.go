//go:build race

package dispatch

// refusalSeeds is how many schedules of refusals are played. Each takes ten times as long with the
// race detector.
const refusalSeeds = 1
