package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// Tenant is a tenant in a response.
type Tenant struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Metadata  map[string]string `json:"metadata"`
	Limits    TenantLimits      `json:"limits"`
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"`
}

// TenantLimits are the limits of one tenant.
type TenantLimits struct {
	PublishPerSecond *float64 `json:"publish_per_second" minimum:"0" maximum:"1000000" doc:"How many events may be published to it per second, counted by each node; null: no limit."`
	Pending          *int     `json:"pending" minimum:"0" maximum:"1000000000" doc:"How many of its deliveries may be pending; null: the limit of the service alone. Not enforced yet."`
	Subscriptions    *int     `json:"subscriptions" minimum:"0" maximum:"10000" doc:"How many subscriptions it may have; null: the limit of the service."`
}

// TenantLimitsInput are TenantLimits in a request.
type TenantLimitsInput struct {
	PublishPerSecond float64 `json:"publish_per_second,omitempty" nullable:"true" minimum:"0" maximum:"1000000" doc:"How many events may be published to it per second, counted by each node; absent, null or 0: no limit."`
	Pending          int     `json:"pending,omitempty" nullable:"true" minimum:"0" maximum:"1000000000" doc:"How many of its deliveries may be pending; absent, null or 0: the limit of the service alone. Not enforced yet."`
	Subscriptions    int     `json:"subscriptions,omitempty" nullable:"true" minimum:"0" maximum:"10000" doc:"How many subscriptions it may have; absent, null or 0: the limit of the service."`
}

// TenantInput contains the fields that a caller can set, and those that only the service sets, so
// that a caller can read a tenant, change it and send it back.
type TenantInput struct {
	Name      string            `json:"name,omitempty" nullable:"true" maxLength:"200" doc:"A name for people."`
	Metadata  map[string]string `json:"metadata,omitempty" nullable:"true" maxProperties:"50" doc:"Your own data about the tenant, up to 4 KiB."`
	Limits    TenantLimitsInput `json:"limits,omitempty"`
	ID        any               `json:"id,omitempty" readOnly:"true" doc:"Ignored."`
	CreatedAt any               `json:"created_at,omitempty" readOnly:"true" doc:"Ignored."`
	UpdatedAt any               `json:"updated_at,omitempty" readOnly:"true" doc:"Ignored."`
}

// TenantList is one page of tenants.
type TenantList struct {
	Data          []Tenant `json:"data" nullable:"false"`
	Next          *string  `json:"next" doc:"The cursor of the next page; null on the last one."`
	Prev          *string  `json:"prev" doc:"The cursor of the previous page; null on the first one."`
	SearchedUntil *string  `json:"searched_until" doc:"Only if a search with q was stopped after 8 ms: the id of the last tenant that it looked at. next, or prev, goes on from there. Otherwise null."`
}

func showTenant(t event.Tenant) Tenant {
	metadata := t.Metadata
	if metadata == nil {
		metadata = map[string]string{}
	}
	return Tenant{
		ID: t.ID, Name: t.Name, Metadata: metadata, CreatedAt: t.CreatedAt.UTC(), UpdatedAt: t.UpdatedAt.UTC(),
		Limits: TenantLimits{
			PublishPerSecond: orNull(t.Limits.PublishPerSecond), Pending: orNull(t.Limits.Pending), Subscriptions: orNull(t.Limits.Subscriptions),
		},
	}
}

func (a *api) listTenants(w http.ResponseWriter, r *http.Request, c call) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	limit, text, from := q.limit(), q.search(), q.cursor(ofTenants)
	if err := q.end(); err != nil {
		return err
	}
	l := list[event.Tenant]{
		limit: limit, from: from,
		read: func(from cursor, n int) ([]event.Tenant, error) {
			tq := event.TenantQuery{After: from.name, Limit: n}
			if from.isBack {
				tq.After, tq.Before = "", from.name
			}
			return c.view.ListTenants(r.Context(), tq)
		},
		place: func(t *event.Tenant) (cursor, string) { return cursor{order: ofTenants, name: t.ID}, t.ID },
	}
	if text != "" {
		l.keep = func(t *event.Tenant) bool { return containsText(text, t.ID, t.Name) }
	}
	found, err := l.search(a.Now)
	if err != nil {
		return err
	}
	out := TenantList{Data: make([]Tenant, len(found.items)), Next: found.next, Prev: found.prev, SearchedUntil: found.until}
	for i, t := range found.items {
		out.Data[i] = showTenant(t)
	}
	return writeJSON(w, http.StatusOK, out)
}

func (a *api) getTenant(w http.ResponseWriter, r *http.Request, c call) error {
	t, err := c.view.Tenant(r.Context(), c.get("tenant"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, showTenant(t))
}

func (a *api) putTenant(w http.ResponseWriter, r *http.Request, c call) error {
	var in TenantInput
	if err := a.readInto(r, &in); err != nil {
		return err
	}
	now := a.now()
	t := event.Tenant{
		ID: c.get("tenant"), Name: in.Name, Metadata: in.Metadata, CreatedAt: now, UpdatedAt: now,
		Limits: event.TenantLimits{PublishPerSecond: in.Limits.PublishPerSecond, Pending: in.Limits.Pending, Subscriptions: in.Limits.Subscriptions},
	}
	if err := t.Check(); err != nil {
		return err
	}
	after, created, err := c.view.PutTenant(r.Context(), t)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return writeJSON(w, status, showTenant(after))
}

func (a *api) deleteTenant(w http.ResponseWriter, r *http.Request, c call) error {
	if err := c.view.DeleteTenant(r.Context(), c.get("tenant"), a.now()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func exampleTenant() Tenant {
	return showTenant(event.Tenant{
		ID: "acme", Name: "Acme Ltd.", Metadata: map[string]string{"plan": "pro"}, CreatedAt: exampleTime(0), UpdatedAt: exampleTime(0),
		Limits: event.TenantLimits{PublishPerSecond: 100},
	})
}

func (a *api) tenantOperations(types huma.Registry) []operation {
	put := request[TenantInput](types, namedExample{"limited", "With a limit", `{"name": "Acme Ltd.", "metadata": {"plan": "pro"}, "limits": {"publish_per_second": 100}}`}, namedExample{"empty", "With defaults", `{}`})
	return []operation{
		{needs: event.ScopeRead, serve: a.listTenants, Operation: huma.Operation{
			OperationID: "listTenants", Method: http.MethodGet, Path: "/tenants/",
			Tags: []string{tagTenants}, Summary: "List tenants by id",
			Description: "A key that is bound to a tenant sees that tenant alone. A search with q looks for 8 ms at most: it may then respond with a page that is not full, or even empty, and a cursor that goes on from where it stopped.",
			Parameters:  append(listParameters(), queryText("q", "Only those whose id or name contains this text, in any letter case.")),
			Responses: responses(map[string]*huma.Response{
				"200": jsonResponse(types, "One page.", TenantList{Data: []Tenant{exampleTenant()}}),
			}, 400, 422),
		}},
		{needs: event.ScopeRead, serve: a.getTenant, Operation: huma.Operation{
			OperationID: "getTenant", Method: http.MethodGet, Path: "/tenants/{tenant}",
			Tags: []string{tagTenants}, Summary: "Read a tenant",
			Responses: responses(map[string]*huma.Response{"200": jsonResponse(types, "The tenant.", exampleTenant())}, 404),
		}},
		{needs: event.ScopeAdmin, allTenants: true, serve: a.putTenant, Operation: huma.Operation{
			OperationID: "putTenant", Method: http.MethodPut, Path: "/tenants/{tenant}",
			Tags: []string{tagTenants}, Summary: "Create or replace a tenant",
			Description: "Fields that are absent or null are reset to their defaults. You can read a tenant, change it and send it back. A tenant is also created by its first subscription.",
			RequestBody: put,
			Responses: responses(map[string]*huma.Response{
				"201": jsonResponse(types, "The tenant was created.", exampleTenant()),
				"200": jsonResponse(types, "The tenant was replaced.", exampleTenant()),
			}, 400, 408, 413, 415, 422),
		}},
		{needs: event.ScopeAdmin, allTenants: true, serve: a.deleteTenant, Operation: huma.Operation{
			OperationID: "deleteTenant", Method: http.MethodDelete, Path: "/tenants/{tenant}",
			Tags: []string{tagTenants}, Summary: "Delete a tenant",
			Description: "Its API keys are revoked at once. Its subscriptions are deleted and its pending deliveries cancelled soon after. The history stays readable, for keys that are bound to no tenant, until it expires (LOG_RETENTION). The tenants default and hookferry can't be deleted.",
			Responses:   responses(map[string]*huma.Response{"204": {Description: "The tenant is deleted."}}, 404, 409),
		}},
	}
}
