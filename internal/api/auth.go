package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// public marks an operation that needs no key.
const public event.Scope = "anybody"

// authorize returns the name of the API key that a request carries. It fails if the key is missing,
// not valid, or lacks the needed scope. If the service needs no keys, it lets every request pass.
func (a *api) authorize(w http.ResponseWriter, r *http.Request, needed event.Scope) (caller string, err error) {
	if a.Keys == nil || needed == public {
		return "", nil
	}
	text := bearer(r.Header)
	if text == "" {
		a.noteRefusedKey(r, keyMissing, event.APIKey{})
		return "", keyProblem(keyNeeded)
	}
	key, err := a.Keys.FindKey(r.Context(), text)
	switch {
	case errors.Is(err, event.ErrNotFound):
		a.noteRefusedKey(r, keyUnknown, key)
		return "", keyProblem("The API key is unknown. `hookferry keys create` creates one.")
	case err != nil:
		return "", err
	case !key.RevokedAt.IsZero():
		a.noteRefusedKey(r, keyRevoked, key)
		return "", keyProblem("The API key was revoked at " + formatTime(key.RevokedAt) + ". `hookferry keys create` creates a new one.")
	case key.Expired(a.now()):
		a.noteRefusedKey(r, keyExpired, key)
		return "", keyProblem("The API key expired at " + formatTime(key.ExpiresAt) + ". `hookferry keys create` creates a new one.")
	case !key.Scope.Covers(needed):
		a.noteRefusedKey(r, keyScope, key)
		w.Header().Set("WWW-Authenticate", challengeFor(needed))
		return "", scopeProblem(needed, key.Scope)
	}
	return key.Name, nil
}

const keyNeeded = "An API key is needed: send the header \"Authorization: Bearer <key>\". `hookferry keys create` creates one."

func keyProblem(detail string) Problem {
	return newProblem(http.StatusUnauthorized, "unauthorized", detail)
}

func scopeProblem(needed, held event.Scope) Problem {
	return newProblem(http.StatusForbidden, "forbidden", fmt.Sprintf(
		"This needs an API key with the scope %s, but this key has the scope %s. `hookferry keys create --scope %s` creates one.",
		scopesCovering(needed), event.Clip(fmt.Sprintf("%q", held), 40), needed))
}

// challengeFor names the scope in the form of RFC 6750.
func challengeFor(needed event.Scope) string {
	return challenge + `, error="insufficient_scope", scope="` + string(needed) + `"`
}

// scopesCovering names the scopes that cover the needed one.
func scopesCovering(needed event.Scope) string {
	if needed == event.ScopeAdmin {
		return string(needed)
	}
	return string(needed) + " or " + string(event.ScopeAdmin)
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// bearer returns the key of a request, or "" if it has none or more than one.
func bearer(h http.Header) string {
	values := h["Authorization"]
	if len(values) != 1 {
		return ""
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}
