// Package simulation runs the service without a network: the real SQLite store, ingest and
// dispatch, with scripted endpoints and a clock that jumps to the next thing that happens. It
// contains only tests.
//
// day_test.go simulates a day of retries and compares the deliveries at its end. crash_test.go
// kills the process before and after every step of a small scenario, starts another one on the same
// file, and checks that no accepted event is lost and none is sent twice without need. It does
// not test a commit that is interrupted: that is up to SQLite, and to the tests that kill the real
// program.
//
// Start with world_test.go, which contains the parts of both.
package simulation
