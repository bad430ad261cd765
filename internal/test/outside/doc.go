// Package outside uses the public packages as their users do: from a module of its own,
// which can import nothing that is internal. It holds only tests.
//
// Start with outside_test.go.
package outside
