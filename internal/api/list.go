package api

import (
	"slices"
	"time"
)

const (
	// searchPage is how many items a search reads at once.
	searchPage = 250
	// maxSearch limits how long a search looks for items that its filters keep. It then responds
	// with those that it has found, and a cursor that goes on from there.
	maxSearch = 8 * time.Millisecond
)

// list describes one page of a list.
type list[T any] struct {
	limit int
	from  cursor // the zero cursor is the start of the list
	// read returns at most n items after the cursor, or the last n before it, in the order of the list.
	read func(from cursor, n int) ([]T, error)
	keep func(item *T) bool // nil keeps all
	// place returns the position of an item, and the name that says it to people.
	place func(item *T) (at cursor, words string)
}

// listed is one page.
type listed[T any] struct {
	items      []T
	next, prev *string
	until      *string // how far a search came that ran out of time; nil if it did not
}

// search reads the page. now is a clock.
func (l *list[T]) search(now func() time.Time) (out listed[T], err error) {
	began, size := now(), l.limit+1
	if l.keep != nil {
		size = searchPage
	}
	var first, last *T // that it has looked at
	isMore := false
	for from := l.from; ; from = l.cursorAt(last, l.from.isBack) {
		batch, err := l.read(from, size)
		if err != nil {
			return out, err
		}
		if l.from.isBack {
			slices.Reverse(batch)
		}
		n := l.take(batch, &out.items)
		if n > 0 && first == nil {
			first = &batch[0]
		}
		if n > 0 {
			last = &batch[n-1]
		}
		if isMore = n < len(batch) || len(batch) == size; !isMore || len(out.items) == l.limit {
			break
		}
		if now().Sub(began) >= maxSearch {
			_, words := l.place(last)
			out.until = &words
			break
		}
	}
	onward, back := &out.next, &out.prev
	if l.from.isBack {
		slices.Reverse(out.items)
		onward, back = back, onward
	}
	if isMore {
		*onward = ptr(l.cursorAt(last, l.from.isBack).String())
	}
	if !l.from.isZero() && first != nil {
		*back = ptr(l.cursorAt(first, !l.from.isBack).String())
	}
	return out, nil
}

// take appends items to a page until it is full, and returns how many it has looked at.
func (l *list[T]) take(batch []T, items *[]T) int {
	for i := range batch {
		if l.keep == nil || l.keep(&batch[i]) {
			*items = append(*items, batch[i])
		}
		if len(*items) == l.limit {
			return i + 1
		}
	}
	return len(batch)
}

func (l *list[T]) cursorAt(item *T, isBack bool) cursor {
	at, _ := l.place(item)
	at.isBack = isBack
	return at
}
