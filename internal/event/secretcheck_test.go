package event_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/webhook"
)

const goodSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// whsec makes a secret whose key has the given number of bytes.
func whsec(size int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", size)))
}

func TestCheckSecretText(t *testing.T) {
	const free = "correct-horse-battery-staple-and-more-0123"
	tests := []struct{ reason, secret, want string }{
		{"a secret of Standard Webhooks", goodSecret, ""},
		{"without its padding", strings.TrimRight(whsec(32), "="), ""},
		{"a short key, with a warning", whsec(5), ""},
		{"a long key, with a warning", whsec(65), ""},
		{"any other text, with a warning", "my_secret_key", ""},
		{"a text with spaces within, with a warning", "four words of text", ""},
		{"a quotation mark at one end", `"a-random-text`, ""},
		{"letters outside ASCII", "grüße-aus-köln-0123456789", ""},

		{"nothing", "", "must not be empty"},
		{"too long", strings.Repeat("s", event.MaxSecretBytes+1), "513 bytes"},
		{"the prefix of a signature", "v1," + goodSecret, "begins with v1, which is the prefix of a signature"},
		{"the prefix of an asymmetric signature", "v1a," + goodSecret, "begins with v1"},
		{"a signature like GitHub's", "sha256=0123456789abcdef", "prefix of a signature"},
		{"a line break at the end", free + "\n", "ends with a line break; remove it"},
		{"a Windows line break at the end", goodSecret + "\r\n", "ends with a line break; remove it"},
		{"a line break at the beginning", "\n" + free, "begins with a line break; remove it"},
		{"a line break within", free + "\n" + free, "contains a line break; remove it"},
		{"a space at the end", free + " ", "ends with a space; remove it"},
		{"a space at the beginning", " " + goodSecret, "begins with a space; remove it"},
		{"a tab after", free + "\t", "ends with a tab; remove it"},
		{"a no-break space after", free + "\u00a0", "ends with the unusual space U+00A0"},
		{"a zero-width space within", free + "\u200b" + free, "contains the invisible character U+200B"},
		{"a byte order mark", "\ufeff" + goodSecret, "begins with a byte order mark (U+FEFF); remove it"},
		{"a NUL byte", free + "\x00", "ends with the control character U+0000"},
		{"bytes that are not UTF-8", free + "\xff", "not UTF-8"},
		{"quotes", `"` + goodSecret + `"`, "is in quotes; remove them"},
		{"single quotes", `'` + free + `'`, "is in quotes; remove them"},
		{"typographic quotes", "“" + free + "”", "is in quotes; remove them"},
		{"capitals", "WHSEC_" + goodSecret[6:], "write whsec_ in lower case"},
		{"mixed case", "Whsec_" + goodSecret[6:], "write whsec_ in lower case"},
		{"the name of a variable", "WEBHOOK_SECRET=" + goodSecret, "contains text before whsec_"},
		{"a prefix of another product", "Bearer " + goodSecret, "contains text before whsec_"},
		{"a hyphen instead of the underscore", "whsec-" + goodSecret[6:], "not with whsec_"},
		{"no underscore", "whsec" + goodSecret[6:], "not with whsec_"},
		{"the prefix twice", "whsec_" + goodSecret, "has whsec_ twice"},
		{"only the prefix", "whsec_", "has nothing after whsec_"},
		{"the prefix and padding", "whsec_==", "has nothing after whsec_"},
		{"truncated", strings.TrimRight(whsec(32), "=")[:len("whsec_")+41], "is not base64"},
		{"a character that base64 does not have", goodSecret + "!", "is not base64"},
		{"a space within", "whsec_MfKQ9r8GKYqr TwjUPD8ILPZIo2LaLaSw", "contains a space after whsec_"},
		{"URL-safe base64", "whsec_MfKQ9r8GKYqr-wjUPD8ILPZ_o2LaLaSw", "replace - by + and _ by /"},
		{"percent-encoded", "whsec_MfKQ9r8GKYqrTwjUPD8ILA%3D%3D", "is percent-encoded"},
		{"too much padding", goodSecret + "=", "wrong number of ="},
		{"four of them", goodSecret + "====", "wrong number of ="},
		{"a private key", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "is an asymmetric key"},
		{"a public key", "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "is an asymmetric key"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			got := event.CheckSecretText(tt.secret)
			wantMessage(t, got, tt.want)
			if len(tt.secret) > 20 && strings.Contains(got, tt.secret[10:20]) {
				t.Errorf("the message contains the secret: %s", got)
			}
		})
	}
}

func TestAdviseSecret(t *testing.T) {
	tests := []struct {
		reason, secret string
		want           []string // a part of each message
	}{
		{"a good secret", goodSecret, nil},
		{"the smallest key of the standard", whsec(24), nil},
		{"the largest", whsec(64), nil},
		{"a smaller one", whsec(23), []string{"has a key of 23 bytes"}},
		{"a larger one", whsec(65), []string{"has a key of 65 bytes"}},
		{"one that someone might guess", whsec(15), []string{"shorter than 16 bytes"}},
		{"a text", "0123456789abcdef", []string{"does not begin with whsec_, so its 16 bytes are used as the key"}},
		{"a short text", "my_secret_key", []string{"does not begin with whsec_, so its 13 bytes are used as the key", "shorter than 16 bytes"}},
		{"a secret API key", "sk_live_0123456789abcdef", []string{"does not begin with whsec_", "looks like an API key"}},
		{"a public one", "pk_test_0123456789abcdef", []string{"does not begin with whsec_", "looks like an API key"}},
		{"spaces", "four words of text", []string{"does not begin with whsec_", "contains spaces"}},
	}
	for _, tt := range tests {
		got := event.AdviseSecret(tt.secret)
		if len(got) != len(tt.want) {
			t.Errorf("%s: got %q, want %q", tt.reason, got, tt.want)
			continue
		}
		for i := range got {
			wantMessage(t, got[i], tt.want[i])
		}
	}
}

// FuzzCheckSecretText checks that an accepted secret can sign.
func FuzzCheckSecretText(f *testing.F) {
	for _, seed := range []string{goodSecret, "my_secret_key", "whsec_", "whsec_AAAA====", "whsec_A", "v1,whsec_AAAA", "\ufeffx"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		if event.CheckSecretText(secret) != "" {
			return
		}
		if _, err := webhook.NewSigner(secret); err != nil {
			t.Errorf("%q was accepted, but can't sign: %v", secret, err)
		}
	})
}
