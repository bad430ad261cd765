package api

import (
	"net/http"
	"strings"
)

// authorize lets a request pass that carries a valid key, or any if none is needed.
func (a *api) authorize(r *http.Request) error {
	if a.Keys == nil {
		return nil
	}
	key := bearer(r.Header)
	if key == "" {
		return keyProblem(keyNeeded)
	}
	valid, err := a.Keys.KeyValid(r.Context(), key)
	if err != nil {
		return err
	}
	if !valid {
		return keyProblem("The API key is unknown or was revoked. `hookferry keys create` makes a new one.")
	}
	return nil
}

const keyNeeded = "An API key is needed: send the header Authorization: Bearer and the key. `hookferry keys create` makes one."

func keyProblem(detail string) Problem {
	return newProblem(http.StatusUnauthorized, "unauthorized", detail)
}

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
