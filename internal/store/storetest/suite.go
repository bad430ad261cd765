// Package storetest holds every database driver to the contract in package
// store: one suite, the same for all of them. It knows no dialect, reaches
// behind no interface and skips nothing. A bug that is found in one driver
// becomes a case here.
//
// It does not test what only one driver can promise: its files, its settings,
// its migrations, what is left after a crash. Those are the driver's own tests.
//
// Start with Run; each file holds the cases of one role, and data.go what they
// are made of.
package storetest

import (
	"testing"

	"github.com/hookferry/hookferry/internal/store"
)

// Run runs the whole suite. open gives each case a fresh, empty store and registers
// its own cleanup, which must put up with a store that the case has closed already.
// As many cases as -parallel allows run at once, so their stores must be apart.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	roles := []struct {
		name  string
		cases []testCase
	}{
		{"Subscriptions", subscriptionCases},
		{"Deletion", deletionCases},
		{"Intake", intakeCases},
		{"Fanout", fanoutCases},
		{"Idempotency", idempotencyCases},
		{"Claim", claimCases},
		{"Fairness", fairnessCases},
		{"Gates", gateCases},
		{"Record", recordCases},
		{"Fence", fenceCases},
		{"Moves", moveCases},
		{"Leases", leaseCases},
		{"History", historyCases},
		{"Audit", auditCases},
		{"Keys", keyCases},
		{"Upkeep", upkeepCases},
		{"Closing", closingCases},
		{"Concurrency", concurrencyCases},
		{"Churn", churnCases},
	}
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			for _, c := range role.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(newRig(t, open(t)))
				})
			}
		})
	}
}

// testCase is one promise of the contract, in words, and how to break it.
type testCase struct {
	name string
	run  func(r rig)
}
