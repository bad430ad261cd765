package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// encode writes JSON. Bytes that are not UTF-8 (a receiver's answer may hold any)
// become U+FFFD; an object's names are sorted where they come from a map.
func encode(v any) ([]byte, error) {
	body, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil, fmt.Errorf("write %T as JSON: %w", v, err)
	}
	return body, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h["Content-Type"] = jsonType
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(body, '\n')) // for whoever reads it in a terminal
	return nil
}

// orNull makes what was never set a null.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// milliseconds keeps the microseconds as a fraction.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
