// Package seal keeps secrets unreadable in the database: AES-256-GCM under a master
// key that is not in it. It knows nothing of what it seals, keeps nothing and logs
// nothing; package store decides what is sealed, and when.
//
// A sealed text is
//
//	hookferry-sealed: base64url( version key-id nonce ciphertext tag )
//
// without the spaces: one byte of version (1), four bytes of key id (the first of the
// key's SHA-256), twelve random bytes of nonce, the ciphertext, and sixteen bytes of
// tag. The context (whose secret it is) and all before the nonce are authenticated and,
// but for the key id, not kept: a sealed text opens only where it was sealed for.
//
// A random nonce of twelve bytes allows some four billion seals under one key before
// two could meet; a subscription takes a few each time it is written.
//
// Start with ParseRing, then Seal and Open.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Prefix begins every sealed text.
const Prefix = "hookferry-sealed:"

const (
	version   = 1
	keySize   = 32
	idSize    = 4
	nonceSize = 12
	tagSize   = 16
	header    = 1 + idSize
)

// ErrBroken is a sealed text that was changed, cut, or put where it was not sealed for.
var ErrBroken = errors.New("the sealed text was changed, or belongs elsewhere")

// MissingKey is a sealed text whose key is not in the ring.
type MissingKey struct{ ID KeyID }

func (e MissingKey) Error() string { return "no key " + e.ID.String() + " is at hand" }

// KeyID tells keys apart, and tells nothing about them.
type KeyID [idSize]byte

func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// Ring is the master keys that are at hand: the first seals, all open. A Ring without
// keys opens nothing. It prints as its keys' ids.
type Ring struct{ keys []key }

type key struct {
	id   KeyID
	aead cipher.AEAD
}

// ParseRing reads keys, separated by commas: each is 32 bytes as base64 or hex. Its
// error never repeats the text.
func ParseRing(text string) (Ring, error) {
	var r Ring
	for i, part := range strings.Split(text, ",") {
		raw, ok := decode(strings.TrimSpace(part))
		if !ok {
			return Ring{}, fmt.Errorf("key %d of %d is not 32 bytes as base64 or hex", i+1, strings.Count(text, ",")+1)
		}
		k := newKey(raw)
		if _, found := r.find(k.id); found {
			return Ring{}, fmt.Errorf("key %d is there twice, or has the same id as another (%s)", i+1, k.id)
		}
		r.keys = append(r.keys, k)
	}
	return r, nil
}

func decode(text string) ([]byte, bool) {
	for _, read := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if raw, err := read(text); err == nil && len(raw) == keySize {
			return raw, true
		}
	}
	return nil, false
}

func newKey(raw []byte) key {
	block, err := aes.NewCipher(raw)
	if err != nil {
		panic(err) // its length was checked
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the block size that GCM needs
	}
	sum := sha256.Sum256(raw)
	return key{KeyID(sum[:idSize]), aead}
}

// Seals reports whether there is a key to seal with.
func (r Ring) Seals() bool { return len(r.keys) > 0 }

// IDs are the keys' ids, that of the one that seals first.
func (r Ring) IDs() []KeyID {
	ids := make([]KeyID, len(r.keys))
	for i, k := range r.keys {
		ids[i] = k.id
	}
	return ids
}

func (r Ring) String() string   { return fmt.Sprint(r.IDs()) }
func (r Ring) GoString() string { return r.String() }

func (r Ring) find(id KeyID) (cipher.AEAD, bool) {
	for _, k := range r.keys {
		if k.id == id {
			return k.aead, true
		}
	}
	return nil, false
}

// Sealed reports whether a text is a sealed one, by its beginning.
func Sealed(text string) bool { return strings.HasPrefix(text, Prefix) }

// Current reports whether a text is sealed under the key that seals.
func (r Ring) Current(text string) bool {
	box, err := unpack(text)
	return err == nil && r.Seals() && KeyID(box[1:header]) == r.keys[0].id
}

// Seal seals a text for a context. The ring must have a key.
func (r Ring) Seal(plain, context string) string {
	k := r.keys[0]
	box := make([]byte, header+nonceSize, header+nonceSize+len(plain)+tagSize)
	box[0] = version
	copy(box[1:], k.id[:])
	rand.Read(box[header:])
	box = k.aead.Seal(box, box[header:], []byte(plain), bound(box[:header], context))
	return Prefix + base64.RawURLEncoding.EncodeToString(box)
}

// Open opens what was sealed for the same context. The error is a MissingKey, or wraps
// ErrBroken.
func (r Ring) Open(text, context string) (string, error) {
	box, err := unpack(text)
	if err != nil {
		return "", err
	}
	id := KeyID(box[1:header])
	aead, found := r.find(id)
	if !found {
		return "", MissingKey{id}
	}
	plain, err := aead.Open(nil, box[header:header+nonceSize], box[header+nonceSize:], bound(box[:header], context))
	if err != nil {
		return "", ErrBroken
	}
	return string(plain), nil
}

// bound is what is authenticated along with the text.
func bound(header []byte, context string) []byte {
	return append(header[:len(header):len(header)], context...)
}

// unpack checks all that can be checked without a key.
func unpack(text string) ([]byte, error) {
	encoded, found := strings.CutPrefix(text, Prefix)
	if !found {
		return nil, fmt.Errorf("%w: it does not begin with %s", ErrBroken, Prefix)
	}
	box, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(box) < header+nonceSize+tagSize {
		return nil, fmt.Errorf("%w: it is cut", ErrBroken)
	}
	if box[0] != version {
		return nil, fmt.Errorf("%w: it is of version %d, and this Hookferry knows version %d", ErrBroken, box[0], version)
	}
	return box, nil
}
