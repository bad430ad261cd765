// Package receive runs the programs in docs/receive.md as their readers would. The real service
// delivers to them, and the tests send them requests that they must refuse. It contains only tests.
//
// A program is a block of code whose first line is a comment with a file name. If its language is
// not installed, the tests fail.
//
// Start with delivery_test.go.
package receive
