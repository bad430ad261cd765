//go:build !race

package dispatch

// refusalSeeds is how many schedules of refusals are played.
const refusalSeeds = 12
