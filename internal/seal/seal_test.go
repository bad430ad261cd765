package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/seal"
)

var (
	keyA = bytes.Repeat([]byte{0xAA}, 32)
	keyB = bytes.Repeat([]byte{0xBB}, 32)
)

func ring(t *testing.T, keys ...[]byte) seal.Ring {
	t.Helper()
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = base64.StdEncoding.EncodeToString(k)
	}
	r, err := seal.ParseRing(strings.Join(texts, ","))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSealedTextsOpenWhereTheyWereSealedFor(t *testing.T) {
	r := ring(t, keyA)
	for _, plain := range []string{"", "my_secret_key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "\x00\xff\n", strings.Repeat("x", 4096)} {
		sealed := r.Seal(plain, "a")
		if len(plain) > 3 && strings.Contains(sealed, plain) {
			t.Errorf("%q can be read in %q", plain, sealed)
		}
		if got, err := r.Open(sealed, "a"); err != nil || got != plain {
			t.Errorf("%q is decrypted as %q, %v", plain, got, err)
		}
		if _, err := r.Open(sealed, "b"); !errors.Is(err, seal.ErrBroken) {
			t.Errorf("it is decrypted in another context: %v", err)
		}
		if r.Seal(plain, "a") == sealed {
			t.Error("two sealed texts are the same, so the nonce is not random")
		}
	}
}

// TestVectors fixes the format, because every release must be able to decrypt the texts of earlier
// ones.
func TestVectors(t *testing.T) {
	for _, v := range vectors {
		if got, err := ring(t, v.key).Open(v.sealed, v.context); err != nil || got != v.plain {
			t.Errorf("%s is decrypted as %q, %v; want %q", v.sealed, got, err, v.plain)
		}
	}
}

func TestEveryChangeIsSeen(t *testing.T) {
	r := ring(t, keyA)
	box, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(r.Seal("my_secret_key", "a"), seal.Prefix))
	for i := range box {
		changed := bytes.Clone(box)
		changed[i] ^= 1
		if got, err := r.Open(seal.Prefix+base64.RawURLEncoding.EncodeToString(changed), "a"); err == nil {
			t.Errorf("with byte %d changed, it is decrypted as %q", i, got)
		}
		if got, err := r.Open(seal.Prefix+base64.RawURLEncoding.EncodeToString(box[:i]), "a"); err == nil {
			t.Errorf("truncated to %d bytes, it is decrypted as %q", i, got)
		}
	}
}

func TestRotation(t *testing.T) {
	before, during, after := ring(t, keyA), ring(t, keyB, keyA), ring(t, keyB)
	old := before.Seal("s", "a")
	if got, err := during.Open(old, "a"); err != nil || got != "s" {
		t.Errorf("with both keys, the old text is decrypted as %q, %v", got, err)
	}
	if during.Current(old) || !during.Current(during.Seal("s", "a")) {
		t.Error("only texts that the first key sealed must be current")
	}
	_, err := after.Open(old, "a")
	if missing, ok := errors.AsType[seal.MissingKey](err); !ok || missing.ID != before.IDs()[0] {
		t.Errorf("without the old key: %v; want an error that key %s is missing", err, before)
	}
	if _, err := (seal.Ring{}).Open(old, "a"); !errors.As(err, new(seal.MissingKey)) {
		t.Errorf("without any key: %v", err)
	}
}

func TestParseRing(t *testing.T) {
	std := base64.StdEncoding.EncodeToString(keyA)
	tests := []struct {
		why, text string
		keys      int // 0: the text is refused
	}{
		{"base64, as openssl rand -base64 32 prints it", std, 1},
		{"without its padding", strings.TrimRight(std, "="), 1},
		{"URL-safe base64", base64.URLEncoding.EncodeToString(keyA), 1},
		{"hex", hex.EncodeToString(keyA), 1},
		{"HEX", strings.ToUpper(hex.EncodeToString(keyA)), 1},
		{"two, and a space", std + ", " + hex.EncodeToString(keyB), 2},
		{"the same key twice", std + "," + hex.EncodeToString(keyA), 0},
		{"nothing after a comma", std + ",", 0},
		{"16 bytes", hex.EncodeToString(keyA[:16]), 0},
		{"33 bytes", base64.StdEncoding.EncodeToString(append(keyA[:32:32], 1)), 0},
		{"32 letters are not a key", strings.Repeat("k", 32), 0},
		{"nothing", "", 0},
	}
	for _, test := range tests {
		r, err := seal.ParseRing(test.text)
		if got := len(r.IDs()); got != test.keys || (err != nil) != (test.keys == 0) {
			t.Errorf("%s: %d keys, %v", test.why, got, err)
		}
		if err != nil && len(test.text) > 9 && strings.Contains(err.Error(), test.text[:9]) {
			t.Errorf("%s: the error contains the key: %v", test.why, err)
		}
	}
}

func TestRingHidesItsKeys(t *testing.T) {
	r := ring(t, keyA, keyB)
	if got := fmt.Sprintf("%v %s %#v", r, r, r); !strings.Contains(got, r.IDs()[0].String()) || strings.Contains(got, "aead") {
		t.Errorf("a ring prints as %q", got)
	}
}

func FuzzOpen(f *testing.F) {
	r, err := seal.ParseRing(hex.EncodeToString(keyA))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("", "")
	f.Add(seal.Prefix, "a")
	for _, v := range vectors {
		f.Add(v.sealed, "elsewhere")
	}
	f.Fuzz(func(t *testing.T, text, context string) {
		if got, err := r.Open(text, context); err == nil {
			for _, v := range vectors {
				if v.sealed == text && v.context == context {
					return
				}
			}
			t.Errorf("%q is decrypted for %q as %q, although it was never sealed", text, context, got)
		} else if !errors.Is(err, seal.ErrBroken) && !errors.As(err, new(seal.MissingKey)) {
			t.Errorf("an error of an unknown kind: %v", err)
		}
		r.Current(text)
	})
}
