package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnOutageHasTwoLines(t *testing.T) {
	for _, tt := range []struct {
		why  string
		away func(second int) bool
		warn int
		info int
		want string
	}{
		{"never", func(int) bool { return false }, 0, 0, ""},
		{"once, for a minute", func(s int) bool { return s >= 10 && s < 70 }, 1, 1, "away_ms=60000 requests_refused=60"},
		{"from the start", func(s int) bool { return s < 5 }, 1, 1, "away_ms=5000 requests_refused=5"},
		{"several short outages", func(s int) bool { return s < 100 && s%2 == 0 }, 1, 1, "away_ms=99000"},
		{"twice", func(s int) bool { return s > 10 && s < 20 || s > 50 && s < 60 }, 2, 2, "requests_refused=9"},
		{"an outage that lasts", func(s int) bool { return s > 10 }, 1, 0, "error=gone"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			began := time.Now()
			isAway := func() bool { return tt.away(int(time.Since(began) / time.Second)) }
			o := &outage{log: slog.New(slog.NewTextHandler(&log, nil)), failure: func(context.Context) error {
				if isAway() {
					return errors.New("gone")
				}
				return nil
			}}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- o.run(ctx) }()
			for range 120 {
				time.Sleep(outageInterval / 2)
				if isAway() {
					o.countRefused(503)
					o.countRefused(401)
				}
				time.Sleep(outageInterval / 2)
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			text := log.String()
			if strings.Count(text, "level=WARN") != tt.warn || strings.Count(text, "level=INFO") != tt.info || !strings.Contains(text, tt.want) {
				t.Errorf("%s: want %d and %d lines and %q, got\n%s", tt.why, tt.warn, tt.info, tt.want, fmt.Sprint(text))
			}
		})
	}
}
