// Package seal encrypts secrets for the database with AES-256-GCM, under a master key that is
// not in the database. It stores nothing and logs nothing. Package store decides what is sealed,
// and when.
//
// A sealed text is
//
//	hookferry-sealed: base64url( version key-id nonce ciphertext tag )
//
// without the spaces: one byte of version (1), four bytes of key id (the beginning of the
// key's SHA-256), a random nonce of twelve bytes, the ciphertext, and a tag of sixteen bytes.
// The version, the key id and the context (whose secret it is) are authenticated. The context
// is not part of the text, so a sealed text can be decrypted only in the context for which it was
// sealed.
//
// With random nonces of twelve bytes, a collision becomes likely after about four billion seals
// under one key. A subscription needs a few seals each time it is written.
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

// ErrBroken means that a sealed text was changed, truncated, or moved to another context.
var ErrBroken = errors.New("the sealed text was changed, or was sealed for another place")

// MissingKey is the error for a sealed text whose key is not in the ring.
type MissingKey struct{ ID KeyID }

func (e MissingKey) Error() string { return "the master key " + e.ID.String() + " is missing" }

// KeyID identifies a key without revealing it.
type KeyID [idSize]byte

func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// Ring is a list of master keys. The first one encrypts, and each of them decrypts. A Ring without
// keys decrypts nothing. A Ring prints as the ids of its keys.
type Ring struct{ keys []key }

type key struct {
	id   KeyID
	aead cipher.AEAD
}

// ParseRing parses a list of keys separated by commas. Each is 32 bytes in base64 or hex. The
// error never quotes the text.
func ParseRing(text string) (Ring, error) {
	var r Ring
	for i, part := range strings.Split(text, ",") {
		raw, ok := decode(strings.TrimSpace(part))
		if !ok {
			return Ring{}, fmt.Errorf("key %d of %d is not 32 bytes in base64 or hex", i+1, strings.Count(text, ",")+1)
		}
		k := newKey(raw)
		if _, found := r.find(k.id); found {
			return Ring{}, fmt.Errorf("key %d is a duplicate, or has the same id (%s) as an earlier key", i+1, k.id)
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
		panic(err) // the length was checked
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

// IDs returns the ids of the keys. The first one is that of the key that seals.
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

// Sealed reports whether a text is sealed, judging by its prefix.
func Sealed(text string) bool { return strings.HasPrefix(text, Prefix) }

// Current reports whether a text is sealed under the first key of the ring.
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
	box = k.aead.Seal(box, box[header:], []byte(plain), additionalData(box[:header], context))
	return Prefix + base64.RawURLEncoding.EncodeToString(box)
}

// Open decrypts a text that was sealed for the same context. The error is a MissingKey or wraps
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
	plain, err := aead.Open(nil, box[header:header+nonceSize], box[header+nonceSize:], additionalData(box[:header], context))
	if err != nil {
		return "", ErrBroken
	}
	return string(plain), nil
}

// additionalData returns what is authenticated along with the text.
func additionalData(header []byte, context string) []byte {
	return append(header[:len(header):len(header)], context...)
}

// unpack decodes a sealed text and checks what can be checked without a key.
func unpack(text string) ([]byte, error) {
	encoded, found := strings.CutPrefix(text, Prefix)
	if !found {
		return nil, fmt.Errorf("%w: it does not begin with %s", ErrBroken, Prefix)
	}
	box, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(box) < header+nonceSize+tagSize {
		return nil, fmt.Errorf("%w: it is truncated", ErrBroken)
	}
	if box[0] != version {
		return nil, fmt.Errorf("%w: it has version %d, and this release supports only version %d", ErrBroken, box[0], version)
	}
	return box, nil
}
