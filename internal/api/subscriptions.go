package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hookferry/hookferry/internal/event"
)

func (a *api) createSubscription(w http.ResponseWriter, r *http.Request, _ params) error {
	in := newSubscriptionInput()
	if err := a.readInto(r, &in); err != nil {
		return err
	}
	now := a.now()
	s := event.Subscription{ID: event.NewID(now), CreatedAt: now, UpdatedAt: now, Revision: 1}
	faults := in.keepHidden(s)
	s = in.apply(s, allFields)
	if err := a.checkSubscription(s, in, faults); err != nil {
		return err
	}
	if err := a.Subscriptions.CreateSubscription(r.Context(), s); err != nil {
		return err
	}
	w.Header().Set("Location", relativeTo(r, "subscriptions/"+s.ID.String()))
	return writeSubscription(w, http.StatusCreated, s, in, nil)
}

func (a *api) listSubscriptions(w http.ResponseWriter, r *http.Request, _ params) error {
	p, err := readPage(r)
	if err != nil {
		return err
	}
	found, err := a.Subscriptions.ListSubscriptions(r.Context(), p.before, p.limit+1)
	if err != nil {
		return err
	}
	found, next := cutPage(found, p, func(s event.Subscription) event.ID { return s.ID })
	list := SubscriptionList{Data: make([]Subscription, len(found)), Next: next}
	for i, s := range found {
		list.Data[i] = show(s)
	}
	return writeJSON(w, http.StatusOK, list)
}

func (a *api) getSubscription(w http.ResponseWriter, r *http.Request, path params) error {
	s, err := a.subscriptionInPath(r, path)
	if err != nil {
		return err
	}
	return writeSubscription(w, http.StatusOK, s, SubscriptionInput{}, nil)
}

func (a *api) replaceSubscription(w http.ResponseWriter, r *http.Request, path params) error {
	stored, wanted, err := a.subscriptionToChange(r, path)
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
	return a.retryChanged(r.Context(), stored, wanted, func(stored event.Subscription, revision int64) error {
		in := in.SubscriptionInput
		s, err := a.replaced(stored, &in)
		if err != nil {
			return err
		}
		s.Revision = revision
		if s, err = a.Subscriptions.ReplaceSubscription(r.Context(), s); err != nil {
			return err
		}
		return writeSubscription(w, http.StatusOK, s, in, adviseReset(stored, s, names))
	})
}

// replaced returns the subscription to store.
func (a *api) replaced(stored event.Subscription, in *SubscriptionInput) (event.Subscription, error) {
	faults := in.keepHidden(stored)
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

func (a *api) deleteSubscription(w http.ResponseWriter, r *http.Request, path params) error {
	stored, wanted, err := a.subscriptionToChange(r, path)
	if err != nil {
		return err
	}
	return a.retryChanged(r.Context(), stored, wanted, func(s event.Subscription, revision int64) error {
		if err := a.Subscriptions.DeleteSubscription(r.Context(), s.ID, a.now(), revision); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

// subscriptionInPath returns the subscription that the path names. A deleted one is not found.
func (a *api) subscriptionInPath(r *http.Request, path params) (event.Subscription, error) {
	id, err := path.id("id")
	if err != nil {
		return event.Subscription{}, err
	}
	return a.liveSubscription(r.Context(), id)
}

// liveSubscription reads a subscription. A deleted one is not found.
func (a *api) liveSubscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	s, err := a.Subscriptions.Subscription(ctx, id)
	if err == nil && s.Deleted() {
		err = fmt.Errorf("%w: subscription %s was deleted", event.ErrNotFound, s.ID)
	}
	return s, a.notFoundProblem(ctx, err, aSubscription, id)
}

// subscriptionToChange returns the subscription that the path names, if it meets the request's precondition.
func (a *api) subscriptionToChange(r *http.Request, path params) (event.Subscription, precondition, error) {
	s, err := a.subscriptionInPath(r, path)
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
	var invalid *event.InvalidError
	if err := s.Check(a.Retention); errors.As(err, &invalid) {
		faults = append(faults, invalid.Fields...)
	} else if err != nil {
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

func writeSubscription(w http.ResponseWriter, status int, s event.Subscription, in SubscriptionInput, warnings []string) error {
	out := show(s)
	out.Warnings = append(advise(in), warnings...)
	w.Header()["Etag"] = []string{etag(s.Revision)}
	return writeJSON(w, status, out)
}
