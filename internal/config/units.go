package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	day      = 24 * time.Hour
	minDelay = time.Millisecond
	maxDelay = 30 * day
)

func durationOf(field *time.Duration, least, most time.Duration) value {
	v := bind(field, func(text string) (time.Duration, error) { return parseDuration(text, least, most) }, showDuration)
	v.allowed = showDuration(least) + " to " + showDuration(most)
	return v
}

// delayOf binds a duration that may be absent.
func delayOf(field *time.Duration) value {
	v := durationOf(field, minDelay, event.MaxRetryAfter)
	v.show = func() string {
		if *field == 0 {
			return ""
		}
		return showDuration(*field)
	}
	return v
}

var errNotADuration = errors.New("is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds")

// parseDuration parses a Go duration, which may begin with days ("3d", "1d12h"), or a number of
// seconds.
func parseDuration(text string, least, most time.Duration) (time.Duration, error) {
	d, err := addDays(text)
	if err != nil {
		return 0, err
	}
	if d < least || d > most {
		return 0, fmt.Errorf("is out of range: write a duration from %s to %s", showDuration(least), showDuration(most))
	}
	return d, nil
}

func addDays(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		return seconds(text)
	}
	if strings.Trim(days, "0123456789.") != "" || strings.HasPrefix(rest, "-") {
		return 0, errNotADuration
	}
	// The days are parsed as hours, so that the standard library detects the errors.
	hours, err := time.ParseDuration(days + "h")
	if err != nil {
		return 0, errNotADuration
	}
	var more time.Duration
	if rest != "" {
		if more, err = time.ParseDuration(rest); err != nil {
			return 0, errNotADuration
		}
	}
	if hours > (math.MaxInt64-more)/24 {
		return math.MaxInt64, nil // longer than any limit
	}
	return hours*24 + more, nil
}

func seconds(text string) (time.Duration, error) {
	if strings.Trim(text, "0123456789.") == "" {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errNotADuration
	}
	return d, nil
}

// showDuration leaves out trailing zero units such as 0m0s.
func showDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d%day == 0 && d > 3*day:
		return strconv.Itoa(int(d/day)) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func scheduleOf(field *[]time.Duration) value { return bind(field, parseSchedule, showSchedule) }

func parseSchedule(text string) ([]time.Duration, error) {
	parts := strings.Split(text, ",")
	if len(parts) > event.MaxRetries {
		return nil, fmt.Errorf("has %d delays: write at most %d", len(parts), event.MaxRetries)
	}
	schedule := make([]time.Duration, len(parts))
	for i, part := range parts {
		delay, err := parseDuration(strings.TrimSpace(part), minDelay, maxDelay)
		if err != nil && hasOtherSeparators(text) {
			return nil, errors.New("is not a list of delays: separate delays with commas and nothing else, like 10s,30s,5m")
		}
		if err != nil {
			return nil, fmt.Errorf("has %q as its delay number %d, which %w", part, i+1, err)
		}
		schedule[i] = delay
	}
	return schedule, nil
}

// hasOtherSeparators reports whether a list contains separators that other programs use.
func hasOtherSeparators(text string) bool {
	return strings.ContainsAny(strings.ReplaceAll(text, ", ", ","), ";|[](){}\"'` \t\r\n")
}

func showSchedule(schedule []time.Duration) string {
	parts := make([]string, len(schedule))
	for i, delay := range schedule {
		parts[i] = showDuration(delay)
	}
	return strings.Join(parts, ",")
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

func sizeOf(field *int64, least, most int64) value {
	v := bind(field, func(text string) (int64, error) { return parseSize(text, least, most) }, showSize)
	v.allowed = showSize(least) + " to " + showSize(most)
	return v
}

func parseSize(text string, least, most int64) (int64, error) {
	number, unit := strings.ToLower(text), int64(1)
	if digits, found := strings.CutSuffix(number, "kib"); found {
		number, unit = digits, kib
	} else if digits, found := strings.CutSuffix(number, "mib"); found {
		number, unit = digits, mib
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return 0, errors.New("is not a size: write it in bytes, or like 512KiB or 1MiB")
	case err != nil || n < 0 || n > most/unit || n*unit < least:
		return 0, fmt.Errorf("is out of range: write a size from %s to %s", showSize(least), showSize(most))
	}
	return n * unit, nil
}

func showSize(n int64) string {
	switch {
	case n%mib == 0:
		return strconv.FormatInt(n/mib, 10) + "MiB"
	case n%kib == 0:
		return strconv.FormatInt(n/kib, 10) + "KiB"
	}
	return strconv.FormatInt(n, 10)
}
