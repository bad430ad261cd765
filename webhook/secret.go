package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
	"sync"
)

const (
	secretPrefix = "whsec_"
	secretBytes  = 32
)

// NewSecret returns a new secret: "whsec_" and the padded base64 of 32 bytes from crypto/rand.
// Standard Webhooks asks for 24 to 64 bytes. NewSecret is safe for concurrent use.
func NewSecret() string {
	var b [secretBytes]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

// key is one HMAC-SHA256 key, safe for concurrent use. An HMAC state keeps the hashed key, so
// reusing states saves hashing the key for every message.
type key struct{ states sync.Pool }

func newKey(raw []byte) *key {
	k := new(key)
	k.states.New = func() any { return hmac.New(sha256.New, raw) }
	return k
}

// sum appends the HMAC of prefix and body to dst.
func (k *key) sum(dst, prefix, body []byte) []byte {
	mac := k.states.Get().(hash.Hash)
	mac.Write(prefix)
	mac.Write(body)
	dst = mac.Sum(dst)
	mac.Reset()
	k.states.Put(mac)
	return dst
}

// newKeys prepares every secret for both ways of signing. Errors identify a secret by its position,
// never by its text.
func newKeys(secrets []string) (standard, hub []*key, err error) {
	if len(secrets) == 0 {
		return nil, nil, fmt.Errorf("%w: give at least one, for example from NewSecret", ErrNoSecret)
	}
	if len(secrets) > maxEntries {
		return nil, nil, fmt.Errorf("%w: there are %d secrets; keep at most the newest %d", ErrBadSecret, len(secrets), maxEntries)
	}
	for i, secret := range secrets {
		if secret == "" {
			return nil, nil, fmt.Errorf("%w: secret %d of %d is empty; set it or leave it out", ErrNoSecret, i+1, len(secrets))
		}
		text := newKey([]byte(secret))
		hub = append(hub, text)

		encoded, ok := strings.CutPrefix(secret, secretPrefix)
		if !ok {
			standard = append(standard, text)
			continue
		}
		raw, ok := decodeSecret(encoded)
		if !ok {
			return nil, nil, fmt.Errorf("%w: secret %d of %d starts with whsec_ but the rest is not standard base64 of at least 1 byte; copy it again, complete and without spaces or line ends, or create a new one with NewSecret", ErrBadSecret, i+1, len(secrets))
		}
		standard = append(standard, newKey(raw))
	}
	return standard, hub, nil
}

// decodeSecret accepts standard base64 with complete padding or none.
func decodeSecret(encoded string) ([]byte, bool) {
	// Package base64 ignores line ends. But they are part of the text that is the key of
	// X-Hub-Signature-256, so a stray one would go unnoticed here and break the signature there.
	if strings.ContainsAny(encoded, "\r\n") {
		return nil, false
	}
	encoding := base64.RawStdEncoding
	if strings.HasSuffix(encoded, "=") {
		encoding = base64.StdEncoding
	}
	raw, err := encoding.DecodeString(encoded)
	return raw, err == nil && len(raw) > 0
}
