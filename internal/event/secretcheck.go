package event

import (
	"encoding/base64"
	"fmt"
	"strings"
)

const (
	secretPrefix = "whsec_"

	// The size of the key after whsec_ that Standard Webhooks asks for, in bytes.
	minSecretKey = 24
	maxSecretKey = 64

	// guessable is the size in bytes below which someone might guess a secret.
	guessable = 16
)

// CheckSecretText returns what is wrong with a new secret, or "". A secret that was damaged
// when it was pasted would sign every delivery, and no endpoint could verify the signatures.
// The message quotes no part of the secret.
func CheckSecretText(text string) string {
	if problem := checkSecret(Secret(text)); problem != "" {
		return problem
	}
	if problem := pasteDamage(text); problem != "" {
		return problem
	}
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(text, secretPrefix):
		return checkSecretKey(text[len(secretPrefix):])
	case strings.HasPrefix(lower, secretPrefix):
		return "begins with whsec_ in capitals; write whsec_ in lower case and keep the rest as it is"
	case strings.HasPrefix(lower, "v1,"), strings.HasPrefix(lower, "v1a,"):
		return "begins with v1, which is the prefix of a signature; use the secret, which begins with whsec_"
	case strings.HasPrefix(lower, "whsk_"), strings.HasPrefix(lower, "whpk_"):
		return "is an asymmetric key of Standard Webhooks (whsk_, whpk_), which is not supported; use a secret that begins with whsec_"
	case strings.Contains(lower, secretPrefix):
		return "contains text before whsec_; remove that text"
	case strings.HasPrefix(lower, "whsec"):
		return "begins with whsec but not with whsec_; copy the whole secret again"
	case strings.HasPrefix(lower, "sha256="):
		return "begins with sha256=, which is the prefix of a signature; use the secret instead"
	}
	return ""
}

// checkSecretKey checks what follows whsec_. It accepts exactly what package webhook accepts.
func checkSecretKey(encoded string) string {
	const standard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	digits := strings.TrimRight(encoded, "=")
	switch {
	case digits == "":
		return "has nothing after whsec_; copy the whole secret again"
	case isBase64(encoded):
		return ""
	case isBase64(digits):
		return "has the wrong number of = at its end; copy the whole secret again, or remove every ="
	case strings.Contains(encoded, " "):
		return "contains a space after whsec_; copy the whole secret again, without spaces"
	case strings.HasPrefix(strings.ToLower(encoded), secretPrefix):
		return "has whsec_ twice; remove one"
	case strings.Trim(digits, standard+"-_") == "" && strings.ContainsAny(digits, "-_"):
		return "uses URL-safe base64 (- and _) after whsec_; Standard Webhooks uses standard base64: replace - by + and _ by /"
	case strings.Contains(digits, "%"):
		return "is percent-encoded after whsec_; write +, / and = as they are"
	}
	return "begins with whsec_, but the rest is not base64; copy the whole secret again, or choose a secret without whsec_"
}

// isBase64 reports whether a text is standard base64, with all of its padding or none.
func isBase64(text string) bool {
	encoding := base64.RawStdEncoding
	if strings.HasSuffix(text, "=") {
		encoding = base64.StdEncoding
	}
	raw, err := encoding.DecodeString(text)
	return err == nil && len(raw) > 0
}

// AdviseSecret returns warnings about a secret that was accepted. Each continues a sentence
// that begins with "the secret".
func AdviseSecret(text string) []string {
	key, found := strings.CutPrefix(text, secretPrefix)
	if found {
		return adviseSecretKey(len(strings.TrimRight(key, "=")) * 3 / 4)
	}
	advice := []string{fmt.Sprintf("does not begin with whsec_, so its %d bytes are used as the key; most libraries for Standard Webhooks expect whsec_ and the base64 of %d to %d bytes", len(text), minSecretKey, maxSecretKey)}
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "sk_"), strings.HasPrefix(lower, "pk_"), strings.HasPrefix(lower, "rk_"), strings.HasPrefix(lower, "sk-"):
		advice = append(advice, "looks like an API key (sk_, pk_); everyone who verifies signatures could use that key: choose a separate secret")
	case strings.Contains(strings.TrimSpace(text), " "):
		advice = append(advice, "contains spaces, which are part of the key")
	}
	if len(text) < guessable {
		advice = append(advice, "is shorter than 16 bytes and might be guessed; use whsec_ and the base64 of 32 random bytes")
	}
	return advice
}

func adviseSecretKey(size int) []string {
	switch {
	case size < guessable:
		return []string{"is shorter than 16 bytes and might be guessed; use whsec_ and the base64 of 32 random bytes"}
	case size < minSecretKey, size > maxSecretKey:
		return []string{fmt.Sprintf("has a key of %d bytes after whsec_; Standard Webhooks asks for %d to %d, and some libraries refuse other sizes", size, minSecretKey, maxSecretKey)}
	}
	return nil
}
