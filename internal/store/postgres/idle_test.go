package postgres_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/test/childproc"
	"github.com/hookferry/hookferry/internal/test/pgtest"
)

// BenchmarkIdle measures the cost of a node that has nothing to do. It claims every second,
// rescues every five seconds, is asked for its depth and pinged, and expires every minute.
func BenchmarkIdle(b *testing.B) {
	idle, err := pgtest.Start()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(idle.Remove)
	s := open(b, postgres.Options{URL: idle.URL("postgres")})
	for day := range 4 { // the partitions of three days of retention
		if err := s.EnsurePartitions(b.Context(), time.Now().Add(time.Duration(-24*day)*time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	for name, step := range map[string]func(ctx context.Context) error{
		"claim": func(ctx context.Context) error {
			_, err := s.Claim(ctx, event.ClaimRequest{Owner: "a", Now: time.Now(), Until: time.Now(), Limit: 100, Capacity: 10})
			return err
		},
		"rescue": func(ctx context.Context) error {
			_, err := s.Rescue(ctx, time.Now().Add(-7*time.Second), time.Now())
			return err
		},
		"depth": func(ctx context.Context) error { _, err := s.Depth(ctx, time.Now()); return err },
		"ping":  s.Ping,
		"expire": func(ctx context.Context) error {
			_, err := s.Expire(ctx, time.Now().Add(-72*time.Hour), time.Now(), 100)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for range 10 {
				if err := step(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			before, served := childproc.CPU(os.Getpid()), idle.CPU()
			b.ResetTimer()
			for range b.N {
				if err := step(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64((childproc.CPU(os.Getpid())-before).Nanoseconds())/float64(b.N)/1000, "cpu-µs/op")
			b.ReportMetric(float64((idle.CPU()-served).Nanoseconds())/float64(b.N)/1000, "pg-cpu-µs/op")
		})
	}
}
