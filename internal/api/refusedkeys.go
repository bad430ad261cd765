package api

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Reasons for refusing a key.
const (
	keyMissing = "missing"
	keyUnknown = "unknown"
	keyRevoked = "revoked"
	keyExpired = "expired"
	keyScope   = "scope" // the key is valid for other operations
)

// KeyRefusals returns all reasons for refusing a key.
func KeyRefusals() []string {
	return []string{keyMissing, keyUnknown, keyRevoked, keyExpired, keyScope}
}

// Limits on log lines about refused keys, because anyone can send any number of them.
const (
	keyLines    = 10
	keyInterval = time.Minute
)

// keyLog limits the lines about refused keys.
type keyLog struct {
	mu      sync.Mutex
	since   time.Time // start of the current interval
	lines   int
	omitted int // since the last line
}

// allow reports whether another line may be written, and how many were omitted since the last one.
func (l *keyLog) allow(now time.Time) (omitted int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= keyInterval {
		l.since, l.lines = now, 0
	}
	if l.lines >= keyLines {
		l.omitted++
		return 0, false
	}
	l.lines++
	omitted, l.omitted = l.omitted, 0
	return omitted, true
}

// noteRefusedKey counts and logs a refused key. It logs only what the list of keys shows. It logs
// nothing about an unknown key, which may be the key of another service.
func (a *api) noteRefusedKey(r *http.Request, why string, key event.APIKey) {
	if a.KeyRefused != nil {
		a.KeyRefused(why)
	}
	omitted, ok := a.refusedKeys.allow(a.Now())
	if !ok {
		return
	}
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	attrs := []slog.Attr{slog.String("reason", why), slog.String("address", address), slog.String("method", r.Method), slog.String("path", event.Clip(r.URL.Path, 200))}
	if why != keyMissing && why != keyUnknown {
		attrs = append(attrs, slog.String("key", key.ID.String()), slog.String("begins_with", key.Prefix))
	}
	if omitted > 0 {
		attrs = append(attrs, slog.Int("omitted_before", omitted))
	}
	a.Log.LogAttrs(r.Context(), slog.LevelWarn, "API key refused", attrs...)
}
