package event

import (
	"fmt"
	"slices"
	"time"
)

// APIKey is what is kept of a key: never the key itself.
type APIKey struct {
	ID        ID
	Name      string
	Prefix    string   // its first characters, to tell keys apart
	Hash      [32]byte // SHA-256 of the whole key
	Scope     Scope
	CreatedAt time.Time
	ExpiresAt time.Time // from then on it is not valid; zero: it does not end
	RevokedAt time.Time // zero while it is valid
	UsedAt    time.Time // when it was last used, to some minutes; zero: never
}

// Expired reports whether it has ended by itself.
func (k APIKey) Expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// Scope is what an API key may do. A text that is none of those below, as a newer
// release may have written it, may do nothing.
type Scope string

// The scopes. Which operation needs which is said in the table of operations (package
// api).
const (
	ScopeAdmin   Scope = "admin"   // everything
	ScopePublish Scope = "publish" // send events in, and nothing else
	ScopeRead    Scope = "read"    // see everything but secrets, and change nothing
)

var scopes = []Scope{ScopeAdmin, ScopePublish, ScopeRead}

// Covers reports whether a key of this scope may do what needs the other.
func (s Scope) Covers(needed Scope) bool {
	return s == ScopeAdmin || s == needed && slices.Contains(scopes, s)
}

// ParseScope reads the name of a scope.
func ParseScope(text string) (Scope, error) {
	if s := Scope(text); slices.Contains(scopes, s) {
		return s, nil
	}
	return "", fmt.Errorf("%q is no scope of a key: write %s, %s or %s", text, ScopeAdmin, ScopePublish, ScopeRead)
}
