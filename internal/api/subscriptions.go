package api

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"github.com/hookferry/hookferry/internal/api/view"
	"github.com/hookferry/hookferry/internal/event"
)

func (a *api) createSubscription(w http.ResponseWriter, r *http.Request, c call) error {
	in := SubscriptionCreateInput{SubscriptionInput: newSubscriptionInput()}
	if err := a.readInto(r, &in); err != nil {
		return err
	}
	faults := in.generateSecret()
	now := a.now()
	s := event.Subscription{ID: event.NewID(now), Tenant: c.view.DefaultTenant(), CreatedAt: now, UpdatedAt: now, Revision: 1}
	if in.Tenant != nil {
		if s.Tenant = *in.Tenant; s.Tenant == "" {
			faults = append(faults, event.FieldError{Field: "tenant", Message: event.CheckName("")})
		}
	}
	faults = append(append(faults, in.keepHidden(s)...), in.checkIdentity(s)...)
	s = in.apply(s, allFields)
	if err := a.checkSubscription(s, in.SubscriptionInput, faults); err != nil {
		return err
	}
	s, err := c.view.CreateSubscription(r.Context(), s)
	if err != nil {
		return err
	}
	w.Header().Set("Location", relativeTo(r, "subscriptions/"+s.ID.String()))
	out := show(s)
	out.Warnings = advise(in.SubscriptionInput)
	if in.GenerateSecret {
		out.Secret = in.Secret
	}
	w.Header()["Etag"] = []string{etag(s.Revision)}
	return writeJSON(w, http.StatusCreated, out)
}

// generateSecret fills in a new secret if the caller asks for one.
func (in *SubscriptionCreateInput) generateSecret() []event.FieldError {
	switch {
	case !in.GenerateSecret:
		return nil
	case in.Secret != nil:
		return []event.FieldError{{Field: "generate_secret", Message: "must not be true if secret is given; leave one of them out"}}
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails
	in.Secret = ptr("whsec_" + base64.StdEncoding.EncodeToString(key))
	return nil
}

func (a *api) getSubscription(w http.ResponseWriter, r *http.Request, c call) error {
	s, err := a.subscriptionInPath(r, c)
	if err != nil {
		return err
	}
	return writeSubscription(w, http.StatusOK, s, SubscriptionInput{}, nil)
}

func (a *api) replaceSubscription(w http.ResponseWriter, r *http.Request, c call) error {
	stored, wanted, err := a.subscriptionToChange(r, c)
	if err != nil {
		return err
	}
	body, err := a.readJSON(r)
	if err != nil {
		return err
	}
	defer body.release()
	names, err := parse(body.bytes)
	if err != nil {
		return err
	}
	in := SubscriptionReplaceInput{SubscriptionInput: newSubscriptionInput()}
	if faults := names.fillIn(&in); len(faults) > 0 {
		return &event.InvalidError{Fields: inOrder(faults, &in)}
	}
	return a.retryChanged(r.Context(), c.view, stored, wanted, func(stored event.Subscription, revision int64) error {
		in := in.SubscriptionInput
		s, err := a.replaced(stored, &in)
		if err != nil {
			return err
		}
		s.Revision = revision
		if s, err = c.view.ReplaceSubscription(r.Context(), s); err != nil {
			return err
		}
		return writeSubscription(w, http.StatusOK, s, in, adviseReset(stored, s, names))
	})
}

// replaced returns the subscription to store.
func (a *api) replaced(stored event.Subscription, in *SubscriptionInput) (event.Subscription, error) {
	faults := append(in.keepHidden(stored), in.checkIdentity(stored)...)
	if stored.Sealed != "" {
		if in.Secret == nil { // would keep a secret that can't be decrypted, and lose the headers
			return stored, fmt.Errorf("%w: %s", event.ErrSealed, stored.Sealed)
		}
		stored.Sealed = ""
	}
	s := in.apply(stored, allFields)
	s.UpdatedAt = a.now()
	if err := a.checkSubscription(s, *in, faults); err != nil {
		return s, err
	}
	if in.Secret == nil {
		s.Secrets = nil // the store keeps its secrets, even if they changed in the meantime
	}
	return s, nil
}

func (a *api) deleteSubscription(w http.ResponseWriter, r *http.Request, c call) error {
	stored, wanted, err := a.subscriptionToChange(r, c)
	if err != nil {
		return err
	}
	return a.retryChanged(r.Context(), c.view, stored, wanted, func(s event.Subscription, revision int64) error {
		if err := c.view.DeleteSubscription(r.Context(), s.ID, a.now(), revision); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

// subscriptionInPath returns the subscription whose id or uid is in the path. A deleted one is not
// found, nor one of another tenant than the query names.
func (a *api) subscriptionInPath(r *http.Request, c call) (event.Subscription, error) {
	q, err := readQuery(r)
	if err != nil {
		return event.Subscription{}, err
	}
	tenant, _ := q.text("tenant")
	if len(q.faults) > 0 {
		return event.Subscription{}, &event.InvalidError{Fields: q.faults}
	}
	text := c.get("id")
	id, err := event.ParseID(text)
	if err != nil {
		return a.subscriptionByUID(r.Context(), c.view, tenant, text)
	}
	s, err := a.liveSubscription(r.Context(), c.view, id)
	if err == nil && tenant != "" && s.Tenant != tenant {
		return event.Subscription{}, noSubscription()
	}
	return s, err
}

func (a *api) subscriptionByUID(ctx context.Context, v view.View, tenant, uid string) (event.Subscription, error) {
	if event.CheckUID(uid) == "" {
		s, err := v.SubscriptionByUID(ctx, tenant, uid)
		if errors.Is(err, event.ErrTenantNotFound) || !errors.Is(err, event.ErrNotFound) {
			return s, err
		}
	}
	if tenant == "" {
		tenant = v.DefaultTenant()
	}
	return event.Subscription{}, newProblem(http.StatusNotFound, "not_found", fmt.Sprintf(
		"%s. Nor is it the uid of a subscription of the tenant %q; ?tenant= names another tenant.", notAnID(uid), event.Clip(tenant, event.MaxQuoted)))
}

func noSubscription() Problem {
	return newProblem(http.StatusNotFound, "not_found", "No subscription has this id. It may have been deleted.")
}

// liveSubscription reads a subscription. A deleted one is not found.
func (a *api) liveSubscription(ctx context.Context, v view.View, id event.ID) (event.Subscription, error) {
	s, err := v.Subscription(ctx, id)
	if err == nil && s.Deleted() {
		err = fmt.Errorf("%w: subscription %s was deleted", event.ErrNotFound, s.ID)
	}
	return s, a.notFoundProblem(ctx, v, err, aSubscription, id)
}

// subscriptionToChange returns the subscription that the path names, if it meets the request's precondition.
func (a *api) subscriptionToChange(r *http.Request, c call) (event.Subscription, precondition, error) {
	s, err := a.subscriptionInPath(r, c)
	if err != nil {
		return s, precondition{}, err
	}
	wanted, err := readPrecondition(r.Header)
	if err == nil {
		_, err = wanted.revision(s) // before the body is read
	}
	return s, wanted, err
}

// readInto reads a JSON object into the struct that in points to.
func (a *api) readInto(r *http.Request, in any) error {
	body, err := a.readJSON(r)
	if err != nil {
		return err
	}
	defer body.release()
	return decode(body.bytes, in)
}

// checkSubscription collects everything that is wrong, so that a caller learns it all at once.
func (a *api) checkSubscription(s event.Subscription, in SubscriptionInput, faults []event.FieldError) error {
	checks := []error{s.Check(a.Retention), a.CheckChannels(s.Channels)}
	if s.Filter != nil {
		checks = append(checks, a.CheckFilter(s.Filter))
	}
	faults, err := collect(faults, checks...)
	if err != nil {
		return err
	}
	if event.CheckTarget(s.TargetURL) == "" {
		if err := a.CheckTarget(s.TargetURL); err != nil {
			faults = append(faults, event.FieldError{Field: "target_url", Message: err.Error()})
		}
	}
	if in.Secret != nil && *in.Secret != "" {
		if problem := event.CheckSecretText(*in.Secret); problem != "" && len(*in.Secret) <= event.MaxSecretBytes { // Check reports a secret that is too long
			faults = append(faults, event.FieldError{Field: "secret", Message: problem})
		}
	}
	if len(faults) > 0 {
		return &event.InvalidError{Fields: inOrder(faults, &in)}
	}
	return nil
}

// collect appends the fields of each InvalidError to faults. It returns the first error of another
// kind.
func collect(faults []event.FieldError, checks ...error) ([]event.FieldError, error) {
	for _, err := range checks {
		var invalid *event.InvalidError
		switch {
		case errors.As(err, &invalid):
			faults = append(faults, invalid.Fields...)
		case err != nil:
			return faults, err
		}
	}
	return faults, nil
}

func writeSubscription(w http.ResponseWriter, status int, s event.Subscription, in SubscriptionInput, warnings []string) error {
	out := show(s)
	out.Warnings = append(advise(in), warnings...)
	w.Header()["Etag"] = []string{etag(s.Revision)}
	return writeJSON(w, status, out)
}
