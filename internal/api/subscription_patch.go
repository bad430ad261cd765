package api

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// mergePatch is the media type of a PATCH (RFC 7396). application/json has the same meaning here.
const mergePatch = "application/merge-patch+json"

// SubscriptionPatchInput is a SubscriptionReplaceInput in which every field may be absent, and then
// keeps its value.
type SubscriptionPatchInput struct {
	TargetURL string             `json:"target_url,omitempty" format:"uri" maxLength:"2048" doc:"The URL of the endpoint: http:// or https://, without user name or fragment."`
	Headers   map[string]*string `json:"headers,omitempty" nullable:"true" maxProperties:"50" doc:"Headers to set. The value null removes a header, [hidden] keeps the stored value, and headers that are not named stay. null instead of the object removes all headers."`
	SubscriptionReplaceInput
}

// patchSubscription changes the fields that the body names.
func (a *api) patchSubscription(w http.ResponseWriter, r *http.Request, path params) error {
	stored, wanted, err := a.subscriptionToChange(r, path)
	if err != nil {
		return err
	}
	if !isMergePatch(r.Header["Content-Type"]) {
		w.Header().Set("Accept-Patch", mergePatch+", application/json")
		return newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type",
			"A PATCH is a JSON merge patch (RFC 7396): send Content-Type: "+mergePatch+" or application/json, in UTF-8.")
	}
	body, err := a.readJSON(r)
	if err != nil {
		return err
	}
	defer body.release()
	p, err := readPatch(body.bytes)
	if err != nil {
		return err
	}
	return a.retryChanged(r.Context(), stored, wanted, func(stored event.Subscription, _ int64) error {
		s, in, err := a.patched(stored, p)
		if err != nil {
			return err
		}
		s.Revision = stored.Revision // the store fails if someone has changed it since it was read
		if s, err = a.Subscriptions.ReplaceSubscription(r.Context(), s); err != nil {
			return err
		}
		return writeSubscription(w, http.StatusOK, s, in, nil)
	})
}

// isMergePatch rejects other kinds of JSON, such as JSON Patch, which have a different meaning.
func isMergePatch(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	media, _, err := mime.ParseMediaType(contentType[0])
	return err == nil && (media == mergePatch || media == "application/json")
}

// patch is the body of a PATCH.
type patch struct {
	SubscriptionInput
	names   members
	headers map[string]*string
}

func readPatch(body []byte) (patch, error) {
	m, err := parse(body)
	if err != nil {
		return patch{}, err
	}
	in := SubscriptionPatchInput{}
	in.SubscriptionInput = newSubscriptionInput()
	if faults := m.fillIn(&in); len(faults) > 0 {
		return patch{}, &event.InvalidError{Fields: inOrder(faults, &in.SubscriptionReplaceInput)}
	}
	in.SubscriptionInput.TargetURL = in.TargetURL
	return patch{SubscriptionInput: in.SubscriptionInput, names: m, headers: in.Headers}, nil
}

// patched returns the subscription to store, and the input with each [hidden] resolved.
func (a *api) patched(stored event.Subscription, p patch) (event.Subscription, SubscriptionInput, error) {
	in, names := p.SubscriptionInput, p.names
	if stored.Sealed != "" { // its headers can't be decrypted, and would be lost
		return stored, in, fmt.Errorf("%w: %s", event.ErrSealed, stored.Sealed)
	}
	removesSecret := names.has("secret") && in.Secret == nil
	faults := in.keepHiddenSecret(stored)
	if names.hasValue("headers") {
		merged, more := mergeHeaders(p.headers, stored.Headers)
		in.Headers, faults = merged, append(faults, more...)
	}
	s := in.apply(stored, names.has)
	if removesSecret {
		s.Secrets = []event.Secret{}
	}
	s.UpdatedAt = a.now()
	if err := a.newFaults(a.checkSubscription(s, in, faults), stored, names); err != nil {
		return s, in, err
	}
	if in.Secret == nil && !removesSecret {
		s.Secrets = nil // the store keeps its secrets
	}
	return s, in, nil
}

// newFaults removes errors from an InvalidError that the patch does not name and that existed before.
// For example, a target that has been forbidden since, or a schedule that is now too long for the
// retention, does not prevent a patch from deactivating the subscription.
func (a *api) newFaults(err error, stored event.Subscription, names members) error {
	now, isInvalid := errors.AsType[*event.InvalidError](err)
	before, wasInvalid := errors.AsType[*event.InvalidError](a.checkSubscription(stored, SubscriptionInput{}, nil))
	if !isInvalid || !wasInvalid {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(now.Fields), func(f event.FieldError) bool {
		return !names.has(rootOf(f.Field)) && slices.Contains(before.Fields, f)
	})
	if len(left) == 0 {
		return nil
	}
	return &event.InvalidError{Fields: left}
}

// mergeHeaders applies a patch of headers. The case of their names does not matter.
func mergeHeaders(patch map[string]*string, stored map[string]string) (map[string]string, []event.FieldError) {
	var faults []event.FieldError
	given, removed := map[string]string{}, map[string]bool{}
	for name, value := range patch {
		if value == nil {
			removed[strings.ToLower(name)] = true
		} else {
			given[name] = *value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if removed[strings.ToLower(name)] {
			faults = append(faults, event.FieldError{Field: "headers." + event.Clip(name, event.MaxQuoted), Message: "is both set and removed, in different case"})
		}
	}
	merged, more := keepHidden(given, stored)
	for name, value := range stored {
		if _, isSet := lookUp(given, name); !isSet && !removed[strings.ToLower(name)] {
			merged[name] = value
		}
	}
	return merged, append(faults, more...)
}
