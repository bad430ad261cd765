// Package faults runs the service as one process of the real program, on SQLite, and
// breaks the machine below it: the disk fills up, descriptors run out, the process dies
// at each named step of a delivery's way, millions wait. It holds only tests. Several
// nodes, PostgreSQL and Redis are package chaos' matter.
//
// After each fault the account is made: every event that was acknowledged is at the
// receiver, none that was refused is, and nothing came twice but where the process died
// between the receiver's answer and the record of it.
//
// Start with account_test.go, then the file that is called as the fault.
package faults
