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

// publishOrRead is covered by either scope: it changes nothing, and tells a publisher nothing that
// publishing would not.
const publishOrRead event.Scope = "publish or read"

// authorize returns the API key that a request carries. It fails if the key is missing, not valid,
// lacks the needed scope, or is bound to a tenant although the endpoint is about all of them. If the
// service needs no keys, it lets every request pass, with the zero key.
func (a *api) authorize(w http.ResponseWriter, r *http.Request, e endpoint) (event.APIKey, error) {
	if a.Keys == nil || e.needs == public {
		return event.APIKey{}, nil
	}
	text := bearer(r.Header)
	if text == "" {
		a.noteRefusedKey(r, keyMissing, event.APIKey{})
		return event.APIKey{}, keyProblem(keyNeeded)
	}
	key, err := a.Keys.FindKey(r.Context(), text)
	switch {
	case errors.Is(err, event.ErrNotFound):
		a.noteRefusedKey(r, keyUnknown, key)
		return key, keyProblem("The API key is unknown. `hookferry keys create` creates one.")
	case err != nil:
		return key, err
	case !key.RevokedAt.IsZero():
		a.noteRefusedKey(r, keyRevoked, key)
		return key, keyProblem("The API key was revoked at " + formatTime(key.RevokedAt) + ". `hookferry keys create` creates a new one.")
	case key.Expired(a.now()):
		a.noteRefusedKey(r, keyExpired, key)
		return key, keyProblem("The API key expired at " + formatTime(key.ExpiresAt) + ". `hookferry keys create` creates a new one.")
	case !covers(key.Scope, e.needs):
		a.noteRefusedKey(r, keyScope, key)
		w.Header().Set("WWW-Authenticate", challengeFor(e.needs))
		return key, scopeProblem(e.needs, key.Scope)
	case e.allTenants && key.IsBound():
		a.noteRefusedKey(r, keyScope, key)
		return key, boundProblem()
	}
	return key, nil
}

func covers(held, needed event.Scope) bool {
	if needed == publishOrRead {
		return held.Covers(event.ScopePublish) || held.Covers(event.ScopeRead)
	}
	return held.Covers(needed)
}

// boundProblem says nothing about the tenant, nor about the object of the request.
func boundProblem() Problem {
	return newProblem(http.StatusForbidden, "forbidden", "This concerns all tenants, but this API key is bound to one. A key that is bound to none is needed.")
}

const keyNeeded = "An API key is needed: send the header \"Authorization: Bearer <key>\". `hookferry keys create` creates one."

func keyProblem(detail string) Problem {
	return newProblem(http.StatusUnauthorized, "unauthorized", detail)
}

func scopeProblem(needed, held event.Scope) Problem {
	return newProblem(http.StatusForbidden, "forbidden", fmt.Sprintf(
		"This needs an API key with the scope %s, but this key has the scope %s. `hookferry keys create --scope %s` creates one.",
		scopesCovering(needed), event.Clip(fmt.Sprintf("%q", held), 40), narrowest(needed)))
}

// narrowest returns the scope of a key that is made for what needs the given scope.
func narrowest(needed event.Scope) event.Scope {
	if needed == publishOrRead {
		return event.ScopePublish
	}
	return needed
}

// challengeFor names the scope in the form of RFC 6750.
func challengeFor(needed event.Scope) string {
	return challenge + `, error="insufficient_scope", scope="` + string(narrowest(needed)) + `"`
}

// scopesCovering names the scopes that cover the needed one.
func scopesCovering(needed event.Scope) string {
	switch needed {
	case event.ScopeAdmin:
		return string(needed)
	case publishOrRead:
		return "publish, read or admin"
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
