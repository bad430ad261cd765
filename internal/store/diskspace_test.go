package store_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

func TestRoomIsWhatTheLastWriteFound(t *testing.T) {
	full := fmt.Errorf("%w: commit to disk: database or disk is full", event.ErrFull)
	for why, row := range map[string]struct {
		writes []error
		after  time.Duration
		want   error
	}{
		"a new store has free disk space":                 {nil, 0, nil},
		"a write that was refused is remembered":          {[]error{full}, store.RefusalLasts - 1, full},
		"a write that succeeds ends it":                   {[]error{full, nil}, 0, nil},
		"another failure says nothing about the disk":     {[]error{full, event.ErrUnavailable, event.ErrNotFound}, 0, full},
		"a failure of another kind does not count":        {[]error{event.ErrUnavailable}, 0, nil},
		"without further writes, the refusal is outdated": {[]error{full}, store.RefusalLasts, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			var space store.DiskSpace
			for _, err := range row.writes {
				space.Wrote(err)
			}
			time.Sleep(row.after)
			if got := space.Err(); !errors.Is(got, row.want) || row.want == nil && got != nil {
				t.Errorf("%s: got %v, want %v", why, got, row.want)
			}
		})
	}
}
