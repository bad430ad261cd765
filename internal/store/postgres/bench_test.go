package postgres_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/store/storetest"
	"github.com/hookferry/hookferry/internal/test/pgtest"
)

func BenchmarkCycle(b *testing.B) {
	var commits, rows atomic.Int64
	durable, err := pgtest.Start("fsync=on", "max_wal_size=4GB")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(durable.Remove)
	s := open(b, postgres.Options{URL: durable.URL("postgres"), OnCommit: func(n int, _ time.Duration) {
		commits.Add(1)
		rows.Add(int64(n))
	}})
	served := durable.CPU()
	storetest.Cycle(b, s)
	b.ReportMetric(float64((durable.CPU()-served).Nanoseconds())/float64(b.N)/1000, "pg-cpu-µs/op")
	b.ReportMetric(float64(rows.Load())/float64(commits.Load()), "rows/commit")
}
