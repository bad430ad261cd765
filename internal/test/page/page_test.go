package page_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/hookferry/hookferry/internal/test/page"
)

func TestOf(t *testing.T) {
	list := []int{10, 20, 30, 40, 50}
	for _, tt := range []struct {
		reason               string
		after, before, limit int
		want                 []int
	}{
		{"the first page", 0, 0, 2, []int{10, 20}},
		{"all", 0, 0, 9, list},
		{"exactly all", 0, 0, 5, list},
		{"the next page", 20, 0, 2, []int{30, 40}},
		{"the last page", 40, 0, 2, []int{50}},
		{"after the last", 50, 0, 2, nil},
		{"after one that is not there", 21, 0, 2, []int{30, 40}},
		{"the page before", 0, 40, 2, []int{20, 30}},
		{"fewer are left before", 0, 20, 2, []int{10}},
		{"before the first", 0, 10, 2, nil},
		{"before one that is not there", 0, 41, 2, []int{30, 40}},
		{"between two positions", 10, 50, 2, []int{30, 40}},
		{"no limit left", 0, 0, 0, nil},
	} {
		if got := page.Of(list, cmp.Compare[int], tt.after, tt.before, tt.limit); !slices.Equal(got, tt.want) {
			t.Errorf("%s: after %d and before %d, %d are %v, want %v", tt.reason, tt.after, tt.before, tt.limit, got, tt.want)
		}
	}
	if !slices.Equal(list, []int{10, 20, 30, 40, 50}) {
		t.Errorf("the list itself was changed: %v", list)
	}
}
