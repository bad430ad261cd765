package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// anybody is what an operation needs that asks for no key.
const anybody event.Scope = "anybody"

// authorize lets a request pass that carries a valid key of the scope needed, or any
// request if no keys are needed. It returns the name of the key.
func (a *api) authorize(w http.ResponseWriter, r *http.Request, needed event.Scope) (caller string, err error) {
	if a.Keys == nil || needed == anybody {
		return "", nil
	}
	text := bearer(r.Header)
	if text == "" {
		a.noteRefused(r, keyMissing, event.APIKey{})
		return "", keyProblem(keyNeeded)
	}
	key, err := a.Keys.FindKey(r.Context(), text)
	switch {
	case errors.Is(err, event.ErrNotFound):
		a.noteRefused(r, keyUnknown, key)
		return "", keyProblem("The API key is unknown. `hookferry keys create` makes one.")
	case err != nil:
		return "", err
	case !key.RevokedAt.IsZero():
		a.noteRefused(r, keyRevoked, key)
		return "", keyProblem("The API key was revoked at " + shownTime(key.RevokedAt) + ". `hookferry keys create` makes a new one.")
	case key.Expired(a.now()):
		a.noteRefused(r, keyExpired, key)
		return "", keyProblem("The API key ended at " + shownTime(key.ExpiresAt) + ". `hookferry keys create` makes a new one.")
	case !key.Scope.Covers(needed):
		a.noteRefused(r, keyScope, key)
		w.Header().Set("WWW-Authenticate", challengeFor(needed))
		return "", scopeProblem(needed, key.Scope)
	}
	return key.Name, nil
}

const keyNeeded = "An API key is needed: send the header Authorization: Bearer and the key. `hookferry keys create` makes one."

func keyProblem(detail string) Problem {
	return newProblem(http.StatusUnauthorized, "unauthorized", detail)
}

func scopeProblem(needed, held event.Scope) Problem {
	return newProblem(http.StatusForbidden, "forbidden", fmt.Sprintf(
		"This needs an API key with the scope %s, and this one has %s. `hookferry keys create --scope %s` makes one.",
		either(needed), event.Clip(fmt.Sprintf("%q", held), 40), needed))
}

// challengeFor names the scope as RFC 6750 has it.
func challengeFor(needed event.Scope) string {
	return challenge + `, error="insufficient_scope", scope="` + string(needed) + `"`
}

// either names the scopes that cover what is needed.
func either(needed event.Scope) string {
	if needed == event.ScopeAdmin {
		return string(needed)
	}
	return string(needed) + " or " + string(event.ScopeAdmin)
}

func shownTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// bearer is the key of a request, or "" if it has none, or more than one.
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
