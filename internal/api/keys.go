package api

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// Key is an API key in a response. The key itself is not stored.
type Key struct {
	ID         event.ID   `json:"id" format:"uuid"`
	Name       string     `json:"name"`
	Scope      string     `json:"scope"`
	Tenant     *string    `json:"tenant" doc:"The only tenant that the key sees and uses; null: all tenants."`
	BeginsWith string     `json:"begins_with" doc:"The first characters of the key."`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at" doc:"null: it never expires."`
	RevokedAt  *time.Time `json:"revoked_at" doc:"null: it was not revoked."`
	UsedAt     *time.Time `json:"used_at" doc:"When it was last used, within a few minutes; null: never."`
	Key        *string    `json:"key,omitempty" doc:"Only in the response to a create, once: the key."`
}

// KeyInput is the body of a create.
type KeyInput struct {
	Name      string  `json:"name" minLength:"1" maxLength:"100" doc:"What the key is for."`
	Scope     string  `json:"scope" enum:"admin,publish,read"`
	Tenant    *string `json:"tenant,omitempty" nullable:"true" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9._-]+$" doc:"The only tenant that the key may see and use. Absent or null: that of the key that creates it, or all tenants if that is bound to none."`
	ExpiresAt *string `json:"expires_at,omitempty" nullable:"true" format:"date-time" doc:"When it expires; absent or null: never."`
}

// KeyList is one page of API keys.
type KeyList struct {
	Data []Key   `json:"data" nullable:"false"`
	Next *string `json:"next" doc:"The cursor of the next page; null on the last one."`
	Prev *string `json:"prev" doc:"The cursor of the previous page; null on the first one."`
}

func showKey(k event.APIKey) Key {
	return Key{
		ID: k.ID, Name: k.Name, Scope: string(k.Scope), Tenant: orNull(k.Tenant), BeginsWith: k.Prefix, CreatedAt: k.CreatedAt.UTC(),
		ExpiresAt: timeOrNull(k.ExpiresAt), RevokedAt: timeOrNull(k.RevokedAt), UsedAt: timeOrNull(k.UsedAt),
	}
}

func (a *api) listKeys(w http.ResponseWriter, r *http.Request, c call) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	limit, from := q.limit(), q.cursor(ofKeys)
	if err := q.end(); err != nil {
		return err
	}
	keys, err := c.view.ListKeys(r.Context())
	if err != nil {
		return err
	}
	slices.SortFunc(keys, func(a, b event.APIKey) int { return bytes.Compare(b.ID[:], a.ID[:]) }) // newest first
	l := list[event.APIKey]{
		limit: limit, from: from,
		read:  func(from cursor, n int) ([]event.APIKey, error) { return keysFrom(keys, from, n), nil },
		place: func(k *event.APIKey) (cursor, string) { return cursor{order: ofKeys, id: k.ID}, k.ID.String() },
	}
	found, err := l.search(a.Now)
	if err != nil {
		return err
	}
	out := KeyList{Data: make([]Key, len(found.items)), Next: found.next, Prev: found.prev}
	for i, k := range found.items {
		out.Data[i] = showKey(k)
	}
	return writeJSON(w, http.StatusOK, out)
}

// keysFrom returns at most n of the keys, newest first, after a cursor or before it.
func keysFrom(keys []event.APIKey, from cursor, n int) []event.APIKey {
	isAfter := func(k event.APIKey) bool { return bytes.Compare(k.ID[:], from.id[:]) < 0 }
	isBefore := func(k event.APIKey) bool { return bytes.Compare(k.ID[:], from.id[:]) > 0 }
	switch {
	case from.isZero():
		return slices.Clone(keys[:min(n, len(keys))])
	case from.isBack:
		keys = slices.DeleteFunc(slices.Clone(keys), func(k event.APIKey) bool { return !isBefore(k) })
		return keys[max(0, len(keys)-n):]
	}
	keys = slices.DeleteFunc(slices.Clone(keys), func(k event.APIKey) bool { return !isAfter(k) })
	return keys[:min(n, len(keys))]
}

func (a *api) createKey(w http.ResponseWriter, r *http.Request, c call) error {
	var in KeyInput
	if err := a.readInto(r, &in); err != nil {
		return err
	}
	now := a.now()
	k := event.APIKey{ID: event.NewID(now), Name: in.Name, CreatedAt: now}
	if err := in.apply(&k); err != nil {
		return err
	}
	text := k.Generate()
	k, err := c.view.CreateKey(r.Context(), k)
	if err != nil {
		return err
	}
	out := showKey(k)
	out.Key = &text
	return writeJSON(w, http.StatusCreated, out)
}

// apply checks the input and copies it to a key.
func (in *KeyInput) apply(k *event.APIKey) error {
	var faults []event.FieldError
	check := func(field, problem string) {
		if problem != "" {
			faults = append(faults, event.FieldError{Field: field, Message: problem})
		}
	}
	if in.Name == "" {
		check("name", "must not be empty; say what the key is for")
	}
	check("name", event.CheckText(in.Name, event.MaxKeyName))
	scope, err := event.ParseScope(event.Clip(in.Scope, event.MaxQuoted))
	if err != nil {
		check("scope", "is not right: "+err.Error())
	}
	k.Scope = scope
	if in.Tenant != nil {
		k.Tenant = *in.Tenant
		check("tenant", event.CheckName(k.Tenant))
	}
	if in.ExpiresAt != nil {
		at, problem := parseTime(*in.ExpiresAt)
		if problem == "" && !at.After(k.CreatedAt) {
			problem = "is not in the future"
		}
		check("expires_at", problem)
		k.ExpiresAt = at.UTC().Truncate(time.Millisecond)
	}
	if len(faults) > 0 {
		return &event.InvalidError{Fields: faults}
	}
	return nil
}

func (a *api) revokeKey(w http.ResponseWriter, r *http.Request, c call) error {
	id, err := c.id("key_id")
	if err != nil {
		return err
	}
	err = c.view.RevokeKey(r.Context(), id, a.now())
	if errors.Is(err, event.ErrNotFound) {
		return newProblem(http.StatusNotFound, "not_found", fmt.Sprintf("No API key has the id %s, or it is revoked already.", id))
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) keyOperations(types huma.Registry) []operation {
	example := showKey(event.APIKey{ID: exampleID(exampleKeyID), Name: "billing", Scope: event.ScopePublish, Tenant: "acme", Prefix: "hf_3vQx8Zk", CreatedAt: exampleTime(0)})
	created := example
	created.Key = ptr("hf_3vQx8Zk…")
	return []operation{
		{needs: event.ScopeAdmin, serve: a.createKey, Operation: huma.Operation{
			OperationID: "createKey", Method: http.MethodPost, Path: "/keys/",
			Tags: []string{tagKeys}, Summary: "Create an API key",
			Description: "The response contains the key; it is not stored and never shown again. A key that is bound to a tenant creates keys for that tenant only.",
			RequestBody: request[KeyInput](types, namedExample{"publish", "For publishing", `{"name": "billing", "scope": "publish"}`}),
			Responses:   responses(map[string]*huma.Response{"201": jsonResponse(types, "The key.", created)}, 400, 404, 408, 413, 415, 422),
		}},
		{needs: event.ScopeAdmin, serve: a.listKeys, Operation: huma.Operation{
			OperationID: "listKeys", Method: http.MethodGet, Path: "/keys/",
			Tags: []string{tagKeys}, Summary: "List API keys, newest first, including revoked and expired ones",
			Description: "The keys themselves are never shown. A key that is bound to a tenant sees the keys of that tenant.",
			Parameters:  listParameters(),
			Responses:   responses(map[string]*huma.Response{"200": jsonResponse(types, "One page.", KeyList{Data: []Key{example}})}, 400, 422),
		}},
		{needs: event.ScopeAdmin, serve: a.revokeKey, Operation: huma.Operation{
			OperationID: "revokeKey", Method: http.MethodDelete, Path: "/keys/{key_id}",
			Tags: []string{tagKeys}, Summary: "Revoke an API key permanently",
			Description: "It stops working on every node within two seconds.",
			Responses:   responses(map[string]*huma.Response{"204": {Description: "The key is revoked."}}, 404),
		}},
	}
}

const exampleKeyID = "019ab2c4-6b1c-7d4e-9f5a-6b7c8d9e0f1a"
