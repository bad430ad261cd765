// Package outside uses the public packages as their users do: from its own module, which can't
// import internal packages. It contains only tests.
//
// Start with outside_test.go.
package outside
