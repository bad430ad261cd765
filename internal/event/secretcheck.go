package event

import (
	"encoding/base64"
	"fmt"
	"strings"
)

const (
	secretPrefix = "whsec_"

	// What Standard Webhooks asks of the key behind whsec_, in bytes.
	minSecretKey = 24
	maxSecretKey = 64

	// guessable is below how many bytes a secret might be guessed.
	guessable = 16
)

// CheckSecretText says what is wrong with a secret that somebody gives, or nothing. A
// secret that was damaged when it was pasted would sign every delivery, and no endpoint
// could verify one. It repeats nothing of the secret.
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
		return "begins with whsec_ in capitals; write that in lower case, and what follows as it is"
	case strings.HasPrefix(lower, "v1,"), strings.HasPrefix(lower, "v1a,"):
		return "begins with v1, which belongs to signatures; leave it out, so that the secret begins with whsec_"
	case strings.HasPrefix(lower, "whsk_"), strings.HasPrefix(lower, "whpk_"):
		return "is an asymmetric key of Standard Webhooks (whsk_, whpk_), which is not supported; use a secret that begins with whsec_"
	case strings.Contains(lower, secretPrefix):
		return "holds whsec_, but something stands before it; leave that out"
	case strings.HasPrefix(lower, "whsec"):
		return "begins with whsec but not with whsec_; copy it again in full"
	case strings.HasPrefix(lower, "sha256="):
		return "begins with sha256=, which belongs to signatures; use the secret and not a signature"
	}
	return ""
}

// checkSecretKey is for what follows whsec_. It lets pass what package webhook takes, and
// nothing else.
func checkSecretKey(encoded string) string {
	const standard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	digits := strings.TrimRight(encoded, "=")
	switch {
	case digits == "":
		return "has nothing after whsec_; copy it again in full"
	case isBase64(encoded):
		return ""
	case isBase64(digits):
		return "has the wrong number of = at its end; copy it again in full, or leave them all out"
	case strings.Contains(encoded, " "):
		return "holds a blank after whsec_; copy it again in full, and without"
	case strings.HasPrefix(strings.ToLower(encoded), secretPrefix):
		return "has whsec_ twice; leave one out"
	case strings.Trim(digits, standard+"-_") == "" && strings.ContainsAny(digits, "-_"):
		return "uses the base64 of URLs (- and _) after whsec_; Standard Webhooks has + for - and / for _: replace them"
	case strings.Contains(digits, "%"):
		return "is percent-encoded after whsec_; write + / and = plainly"
	}
	return "begins with whsec_, but what follows is not base64; copy it again in full, or choose one without whsec_"
}

// isBase64 takes the standard's alphabet, with all of its padding or none.
func isBase64(text string) bool {
	encoding := base64.RawStdEncoding
	if strings.HasSuffix(text, "=") {
		encoding = base64.StdEncoding
	}
	raw, err := encoding.DecodeString(text)
	return err == nil && len(raw) > 0
}

// AdviseSecret is what to tell somebody whose secret was taken, each as what follows the
// word secret.
func AdviseSecret(text string) []string {
	key, found := strings.CutPrefix(text, secretPrefix)
	if found {
		return adviseSecretKey(len(strings.TrimRight(key, "=")) * 3 / 4)
	}
	advice := []string{fmt.Sprintf("does not begin with whsec_, so its %d bytes are the key as they stand; most libraries for Standard Webhooks want whsec_ and the base64 of %d to %d bytes", len(text), minSecretKey, maxSecretKey)}
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "sk_"), strings.HasPrefix(lower, "pk_"), strings.HasPrefix(lower, "rk_"), strings.HasPrefix(lower, "sk-"):
		advice = append(advice, "looks like an API key (sk_, pk_); signing with one lets everyone who verifies use it: choose a secret of its own")
	case strings.Contains(strings.TrimSpace(text), " "):
		advice = append(advice, "holds blanks, which are part of the key")
	}
	if len(text) < guessable {
		advice = append(advice, "is shorter than 16 bytes and might be guessed; whsec_ and the base64 of 32 random bytes is a good one")
	}
	return advice
}

func adviseSecretKey(size int) []string {
	switch {
	case size < guessable:
		return []string{"is shorter than 16 bytes and might be guessed; whsec_ and the base64 of 32 random bytes is a good one"}
	case size < minSecretKey, size > maxSecretKey:
		return []string{fmt.Sprintf("holds a key of %d bytes after whsec_; Standard Webhooks asks for %d to %d, and some libraries refuse others", size, minSecretKey, maxSecretKey)}
	}
	return nil
}
