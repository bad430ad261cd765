// Package storetest tests whether a database driver fulfils the contract in package
// store. All drivers share this suite. It uses only the interface, knows no SQL dialect
// and skips nothing. A bug that is found in one driver becomes a case here.
//
// The suite does not test what only one driver promises: its files, settings and
// migrations, or the state after a crash. The driver's own tests do.
//
// Start with Run. Each file has the cases of one role, and data.go has the helpers.
package storetest

import (
	"testing"

	"github.com/hookferry/hookferry/internal/store"
)

// Run runs the whole suite. open returns a new, empty store for each case and registers
// its cleanup, which must accept a store that the case has already closed. Cases run in
// parallel, so their stores must be independent.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	roles := []struct {
		name  string
		cases []testCase
	}{
		{"Tenants", tenantCases},
		{"EventTypes", eventTypeCases},
		{"Subscriptions", subscriptionCases},
		{"Deletion", deletionCases},
		{"Intake", intakeCases},
		{"Fanout", fanoutCases},
		{"Publish", publishCases},
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

// testCase is one promise of the contract and the test of it.
type testCase struct {
	name string
	run  func(r rig)
}
