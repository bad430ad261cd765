// Package seeded plays several nodes of the service on one store, step by step, as a
// seed says: which call goes on next, which one fails and how, what time it becomes,
// which node dies, what an endpoint answers. It holds only tests.
//
// Dispatcher and ingest are the real ones. The store is a model (model_test.go), small
// enough to be obviously right, and held to the conformance suite of the drivers; the
// endpoints, the callers and the clock are played. Every call of a node to its
// neighbours waits for its turn (turns_test.go); when nothing moves any more, the world
// lets one of them go on, or does something else (world_test.go). What must hold is
// checked after every step (watch_test.go), and the account at the end
// (account_test.go). One seed gives one run: TestSeedsReplay wants the same steps twice.
//
// What is inside of one call is not torn apart: a transaction happens or does not. That
// is the drivers' matter, and package simulation's and chaos'.
//
// Start with world_test.go.
package seeded
