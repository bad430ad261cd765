package event

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"time"
)

// APIKey is the stored record of an API key. The key itself is never stored.
type APIKey struct {
	ID        ID
	Name      string
	Prefix    string   // the first characters of the key, to tell keys apart
	Hash      [32]byte // SHA-256 of the whole key
	Scope     Scope
	Tenant    string // the id of the only tenant that the key may see and use; "" for a key of all tenants
	TenantNo  int64  // the tenant's number, which the store finds; 0 for a key of all tenants, and for one of "default"
	CreatedAt time.Time
	ExpiresAt time.Time // the key is invalid from this time on; zero: it never expires
	RevokedAt time.Time // zero unless the key was revoked
	UsedAt    time.Time // when the key was last used, within a few minutes; zero: never
}

// keyPrefix is how many characters of a key are stored, so that people can recognize it.
const keyPrefix = 10

// Generate makes a new random key, and sets the Prefix and Hash of k. It returns the key, which is
// not stored.
func (k *APIKey) Generate() (text string) {
	var b [32]byte
	rand.Read(b[:]) // never fails
	text = "hf_" + base64.RawURLEncoding.EncodeToString(b[:])
	k.Prefix, k.Hash = text[:keyPrefix], sha256.Sum256([]byte(text))
	return text
}

// MaxKeyName is the longest name of an API key, in bytes.
const MaxKeyName = 100

// IsBound reports whether the key belongs to one tenant.
func (k APIKey) IsBound() bool { return k.Tenant != "" }

// Expired reports whether the key has expired.
func (k APIKey) Expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// Scope is what an API key may do. An unknown scope, which a newer release may have
// written, permits nothing.
type Scope string

// The scopes. The table of operations in package api says which operation needs which.
const (
	ScopeAdmin   Scope = "admin"   // everything
	ScopePublish Scope = "publish" // publish events, and nothing else
	ScopeRead    Scope = "read"    // read everything but secrets, and change nothing
)

var scopes = []Scope{ScopeAdmin, ScopePublish, ScopeRead}

// Covers reports whether a key with scope s may call an operation that needs the other scope.
func (s Scope) Covers(needed Scope) bool {
	return s == ScopeAdmin || s == needed && slices.Contains(scopes, s)
}

// ParseScope parses the name of a scope.
func ParseScope(text string) (Scope, error) {
	if s := Scope(text); slices.Contains(scopes, s) {
		return s, nil
	}
	return "", fmt.Errorf("%q is not a scope; use %s, %s or %s", text, ScopeAdmin, ScopePublish, ScopeRead)
}
