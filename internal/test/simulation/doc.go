// Package simulation plays the service without its network: the real SQLite store,
// ingest and dispatch, with endpoints that are scripted and a clock that jumps to
// the next thing to happen. It holds only tests.
//
// day_test.go plays a day of retries and checks the account at its end.
// crash_test.go kills the process at every step of a small scenario, before the
// step and after it, starts another one on the same file, and checks that nothing
// acknowledged is lost and nothing is sent twice without need. It does not test
// what happens to a commit half-way: that is SQLite's matter, and a kill -9 of the
// real program's.
//
// Start with world_test.go, which holds what both are made of.
package simulation
