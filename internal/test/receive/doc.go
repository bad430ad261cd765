// Package receive runs the programs in docs/receive.md as their readers would, has the real
// service deliver to them, and sends them what they must refuse. It holds only tests.
//
// A program is a block whose first line is a comment that holds a file name. A language that
// is not installed fails the tests.
//
// Start with delivery_test.go.
package receive
