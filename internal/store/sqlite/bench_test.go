package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/store/sqlite"
	"github.com/hookferry/hookferry/internal/store/storetest"
)

func BenchmarkCycle(b *testing.B) {
	commits, rows := 0, 0
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "hookferry.db"), sqlite.Options{
		OnCommit: func(n int, _ time.Duration) { commits++; rows += n },
	})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	storetest.Cycle(b, s)
	b.ReportMetric(float64(rows)/float64(commits), "rows/commit")
}
