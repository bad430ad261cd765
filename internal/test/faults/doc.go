// Package faults runs the service on SQLite as one process of the real program, and breaks the
// machine below it: the disk fills up, file descriptors run out, the process dies at each named
// step of a delivery, or millions of deliveries are pending. It contains only tests. Package chaos
// tests several nodes, PostgreSQL and Redis.
//
// After each fault, it compares the service with the endpoint: every accepted event has arrived, no
// refused event has, and nothing arrived twice unless the process died between the endpoint's
// response and its record.
//
// Start with account_test.go, then read the file that is named after the fault.
package faults
