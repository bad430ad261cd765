// Package chaos runs the service as it is run in earnest, on several nodes that are
// real processes of the real program, and breaks it: with kill -9 of API nodes, of
// workers, of PostgreSQL and of Redis, with Redis emptied, full or frozen, with a
// worker that is stopped for longer than its leases last. All of it under load. It
// holds only tests.
//
// After each fault the books are balanced: every event that was acknowledged is at
// the receiver, every delivery's row says what the receiver did, nothing is leased,
// and there are no more duplicates than leases that were taken over, or given back,
// because of the fault. A restart of all nodes in turn may have none.
//
// Start with chaos_test.go, which says which faults come, then faults_test.go for what
// they do and account_test.go for what must be true afterwards. The others test one
// promise each: takeover_test.go, pickup_test.go, outage_test.go and fullload_test.go.
//
// HOOKFERRY_TEST_CHAOS sets how many rounds of all faults are played; without it there
// is one, with a small load.
package chaos
