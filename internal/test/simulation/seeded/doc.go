// Package seeded runs several nodes of the service on one store, step by step. A seed determines
// which call continues next, which call fails and how, how much time passes, which node dies, and
// what an endpoint responds. It contains only tests.
//
// The dispatcher and ingest are real. The store is a model (model_test.go), which is small enough
// to be obviously correct, and passes the conformance suite of the drivers. The endpoints, the
// callers and the clock are simulated. Every call of a node to another package waits for its turn
// (turns_test.go). When nothing moves any more, the world lets one call continue, or does something
// else (world_test.go). Invariants are checked after every step (watch_test.go), and the deliveries
// are compared at the end (account_test.go). A seed always gives the same run: TestSeedsReplay
// checks that.
//
// A single call is never split: a transaction happens or it does not. The tests of the drivers and
// the packages simulation and chaos cover what is inside a call.
//
// Start with world_test.go.
package seeded
