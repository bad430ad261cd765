package postgres_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hookferry/internal/event"
	"hookferry/internal/store/pgtest"
	"hookferry/internal/store/postgres"
)

// BenchmarkCycle is what one delivery costs the store: its event and itself stored
// as already claimed, then its outcome recorded. 64 callers share the commits, as
// 64 connections would.
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
	ctx := context.Background()
	now := time.Now()
	sub := event.Subscription{ID: event.NewID(now), TargetURL: "http://127.0.0.1:9/", Active: true, CreatedAt: now, UpdatedAt: now}
	if err := s.CreateSubscription(ctx, sub); err != nil {
		b.Fatal(err)
	}
	payload := bytes.Repeat([]byte("x"), 1024)
	b.SetParallelism(32)
	b.ReportAllocs()
	before, served := cpu(), durable.CPU()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			now := time.Now()
			e := event.Event{ID: event.NewID(now), Type: "user.created", ContentType: "application/json", Payload: payload, CreatedAt: now}
			d := event.Delivery{
				ID: event.NewID(now), EventID: e.ID, SubscriptionID: sub.ID, DueAt: now, CreatedAt: now,
				LeaseOwner: "bench", LeasedUntil: now.Add(time.Minute),
			}
			if _, err := s.Accept(ctx, event.Acceptance{Event: e, Delivery: d}); err != nil {
				b.Error(err)
				return
			}
			o := event.Outcome{StartedAt: now, Duration: time.Millisecond, StatusCode: 200, Peer: "127.0.0.1:9", Response: []byte("ok")}
			if err := s.Record(ctx, []event.Settlement{event.Settle(d, o, nil, now, 0.5)}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N)/1000, "cpu-µs/op")
	b.ReportMetric(float64((durable.CPU()-served).Nanoseconds())/float64(b.N)/1000, "pg-cpu-µs/op")
	b.ReportMetric(float64(rows.Load())/float64(commits.Load()), "rows/commit")
}

// cpu is what this process has used of the processors.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
