package sqlite

import (
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// A change of a transaction is undone by a rollback, and a written row is no longer implicit after
// the commit.
func TestImplicitRowsFollowTheTransaction(t *testing.T) {
	id := event.NewID(time.Now())
	add := func(i *implicitRows) { i.add(id, implicitRow{seq: 7}) }
	written := func(i *implicitRows) {
		r, _ := i.get(id)
		i.setWritten(id, r)
	}
	type steps []func(*implicitRows)
	for why, c := range map[string]struct {
		do                    steps
		forWriter, forReaders bool
		first                 int64
	}{
		"added, and not on disk yet":      {steps{add}, true, true, 7},
		"added":                           {steps{add, (*implicitRows).committed}, true, true, 7},
		"added and rolled back":           {steps{add, (*implicitRows).rolledBack}, false, false, 9},
		"about to be written":             {steps{add, (*implicitRows).committed, written}, false, true, 7},
		"written":                         {steps{add, (*implicitRows).committed, written, (*implicitRows).committed}, false, false, 9},
		"written and rolled back":         {steps{add, (*implicitRows).committed, written, (*implicitRows).rolledBack}, true, true, 7},
		"added and written at once":       {steps{add, written, (*implicitRows).committed}, false, false, 9},
		"both rolled back":                {steps{add, written, (*implicitRows).rolledBack}, false, false, 9},
		"both rolled back, then repeated": {steps{add, written, (*implicitRows).rolledBack, add, (*implicitRows).committed}, true, true, 7},
	} {
		i := &implicitRows{byID: map[event.ID]implicitRow{}}
		for _, step := range c.do {
			step(i)
		}
		_, forWriter := i.get(id)
		_, forReaders := i.eventSeq(id)
		if first := i.firstSeq(9); forWriter != c.forWriter || forReaders != c.forReaders || first != c.first {
			t.Errorf("%s: the writer sees it: %v, readers: %v, the first event is %d; want %v, %v and %d",
				why, forWriter, forReaders, first, c.forWriter, c.forReaders, c.first)
		}
	}
}
