package api

import "strings"

// unknownField says that a name is none of the known ones, and which of them it may be a misspelling
// of.
func unknownField(name string, known []string) string {
	advice := "the fields are " + strings.Join(known, ", ")
	if near := nearest(name, known); near != "" {
		advice = "did you mean " + near + "? " + advice
	}
	return "is not a known field; " + advice
}

const (
	longestName = 32 // of a field, and more
	mostChanges = 2
)

// nearest returns the first of the known names that takes the fewest changes to get from the given
// one, or "" if each takes too many. Case and separators do not count.
func nearest(name string, known []string) string {
	if len(name) > longestName {
		return ""
	}
	best, fewest := "", mostChanges+1
	for _, k := range known {
		if n := distance(bare(name), bare(k)); n < fewest && n*2 < len(k) {
			best, fewest = k, n
		}
	}
	return best
}

var separators = strings.NewReplacer("_", "", "-", "", " ", "")

func bare(name string) string { return strings.ToLower(separators.Replace(name)) }

// distance returns how many bytes must be inserted, removed or replaced to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, above, row[j])
			}
			diagonal, row[j+1] = above, cost
		}
	}
	return row[len(b)]
}
