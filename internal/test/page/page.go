// Package page cuts pages out of lists. It is for the stores that tests keep in memory.
package page

import "slices"

// Of returns a page of an ordered list: the first limit elements after one position or, if there
// is a position before, the last limit elements before that. A zero position is none. compare
// compares an element with a position, in the order of the list.
func Of[T any, P comparable](list []T, compare func(T, P) int, after, before P, limit int) []T {
	var none P
	within := slices.DeleteFunc(slices.Clone(list), func(e T) bool {
		return after != none && compare(e, after) <= 0 || before != none && compare(e, before) >= 0
	})
	surplus := max(0, len(within)-limit)
	if before != none {
		return within[surplus:]
	}
	return within[:len(within)-surplus]
}
