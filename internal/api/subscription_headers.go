package api

import (
	"maps"
	"slices"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// hidden replaces the value of a credential in a response.
const hidden = "[hidden]"

var credentialWords = []string{"auth", "cookie", "credential", "key", "password", "secret", "token"}

func isCredential(header string) bool {
	lower := strings.ToLower(header)
	return slices.ContainsFunc(credentialWords, func(word string) bool { return strings.Contains(lower, word) })
}

func hideCredentials(headers map[string]string) map[string]string {
	shown := make(map[string]string, len(headers))
	for name, value := range headers {
		if isCredential(name) {
			value = hidden
		}
		shown[name] = value
	}
	return shown
}

// keepHidden replaces each [hidden] with the stored value of the same header.
func keepHidden(given, stored map[string]string) (map[string]string, []event.FieldError) {
	var faults []event.FieldError
	kept := make(map[string]string, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) { // the same errors in the same order every time
		value := given[name]
		if value == hidden && isCredential(name) {
			var found bool
			if value, found = lookUp(stored, name); !found {
				faults = append(faults, event.FieldError{Field: "headers." + event.Clip(name, event.MaxQuoted), Message: "is [hidden], which keeps the stored value, but there is no stored value; send the value"})
			}
		}
		kept[name] = value
	}
	return kept, faults
}

func lookUp(headers map[string]string, name string) (value string, found bool) {
	for n, v := range headers {
		if strings.EqualFold(n, name) {
			return v, true
		}
	}
	return "", false
}
