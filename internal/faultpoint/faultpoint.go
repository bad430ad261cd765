// Package faultpoint names the steps between an event's arrival and the record of its
// delivery at which a test may have the process die. A binary that was built without
// the tag faultpoints, as every one that is shipped, holds nothing of it: there, Reach
// is an empty function, and the compiler leaves it out along with the names.
//
// With the tag, the process kills itself where the file that FAULTPOINT_FILE
// names holds the name of the point that is reached; the file is removed before. What
// is tested with it is in package faults.
package faultpoint
