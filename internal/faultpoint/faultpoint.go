// Package faultpoint names steps between an event's arrival and the record of its delivery. A test
// can make the process die at each of them. Without the build tag faultpoints, Reach is an empty
// function, which the compiler removes together with the names, so released binaries contain
// nothing of this.
//
// With the tag, Reach kills the process if the file named by FAULTPOINT_FILE contains the name of
// the step, after it has removed the file. Package faults contains the tests.
package faultpoint
