package ingest

import (
	"encoding/json"

	"github.com/maypok86/otter/v2"

	"github.com/hookferry/hookferry/internal/ingest/match"
)

// cachedFilters limits the size of the cache of compiled filters, in bytes.
const cachedFilters = 16 << 20

// Filters compiles the filters of subscriptions, and caches them by their text. So a filter that
// was changed is another one, and subscriptions with the same filter share it. A nil Filters compiles each time.
type Filters struct {
	cache *otter.Cache[string, *match.Filter]
}

// NewFilters returns an empty cache.
func NewFilters() (*Filters, error) {
	cache, err := otter.New(&otter.Options[string, *match.Filter]{
		MaximumWeight: cachedFilters,
		Weigher:       func(text string, f *match.Filter) uint32 { return uint32(len(text) + f.Size() + 100) },
	})
	return &Filters{cache}, err
}

// Filter returns the compiled filter, or nil if the text is empty. A text that can't be compiled
// gives a filter that matches no event and says why: the API refuses such filters, but another
// release may have stored it, and the subscription must not receive what it does not want.
func (f *Filters) Filter(text json.RawMessage) *match.Filter {
	if len(text) == 0 {
		return nil
	}
	if f == nil {
		return compile(text)
	}
	if known, ok := f.cache.GetIfPresent(string(text)); ok {
		return known
	}
	compiled := compile(text)
	f.cache.Set(string(text), compiled)
	return compiled
}

func compile(text json.RawMessage) *match.Filter {
	compiled, err := match.Compile(text)
	if err != nil {
		return match.Broken(err)
	}
	return compiled
}
