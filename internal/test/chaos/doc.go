// Package chaos runs the service on several nodes, which are processes of the real program, and
// breaks it under load: with kill -9 of API nodes, workers, PostgreSQL and Redis, with a Redis that
// is emptied, full or frozen, and with a worker that is frozen for longer than its leases last. It
// contains only tests.
//
// After each fault, it compares the service with the endpoint: every accepted event has arrived,
// every delivery's row says what the endpoint did, nothing is leased, and there are no more
// duplicates than leases that were taken over or released because of the fault. A restart of all
// nodes in turn must cause no duplicates.
//
// Start with chaos_test.go, which lists the faults. faults_test.go implements them, and
// account_test.go says what must be true afterwards. The other files test one promise each:
// takeover_test.go, pickup_test.go, outage_test.go and fullload_test.go.
//
// HOOKFERRY_TEST_CHAOS sets the number of rounds of all faults. Without it, there is one round with
// a small load.
package chaos
