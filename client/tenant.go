package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Tenant is one of those whose webhooks are delivered: usually a customer.
type Tenant struct {
	ID        string            `json:"id"` // never changes
	Name      string            `json:"name"`
	Metadata  map[string]string `json:"metadata"` // the caller's
	Limits    TenantLimits      `json:"limits"`
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"`
}

// TenantLimits are the limits of a tenant. 0 means that it has no limit of its own.
type TenantLimits struct {
	PublishPerSecond float64 `json:"publish_per_second,omitzero"` // events published to it per second, counted by each node
	Pending          int     `json:"pending,omitzero"`            // its pending deliveries
	Subscriptions    int     `json:"subscriptions,omitzero"`      // its subscriptions
}

// TenantInput contains the fields of a tenant that can be set.
type TenantInput struct {
	Name     string            `json:"name,omitzero"`
	Metadata map[string]string `json:"metadata,omitzero"`
	Limits   TenantLimits      `json:"limits,omitzero"`
}

// Input returns the fields of the tenant that can be set, to be changed and passed to
// [Client.PutTenant].
func (t Tenant) Input() TenantInput {
	return TenantInput{Name: t.Name, Metadata: t.Metadata, Limits: t.Limits}
}

// PutTenant creates a tenant, or sets all fields of an existing one to the values in in. The id has
// up to 64 letters, digits and ". _ -".
func (c *Client) PutTenant(ctx context.Context, id string, in TenantInput) (t Tenant, err error) {
	if id, err = escapeName("id of a tenant", id); err != nil {
		return Tenant{}, err
	}
	err = c.doJSON(ctx, "tenant", in, call{method: http.MethodPut, path: "/tenants/" + id, into: &t})
	return t, err
}

// Tenant reads one tenant.
func (c *Client) Tenant(ctx context.Context, id string) (t Tenant, err error) {
	if id, err = escapeName("id of a tenant", id); err != nil {
		return Tenant{}, err
	}
	err = c.do(ctx, call{method: http.MethodGet, path: "/tenants/" + id, into: &t})
	return t, err
}

// ListTenants iterates over all tenants by their ids, and reads them page by page. It stops at the
// first error.
func (c *Client) ListTenants(ctx context.Context) iter.Seq2[Tenant, error] {
	return c.FindTenants(ctx, "")
}

// FindTenants is ListTenants for those whose id or name contains text, in any letter case.
func (c *Client) FindTenants(ctx context.Context, text string) iter.Seq2[Tenant, error] {
	return list[Tenant](ctx, c, "/tenants/", queryOf("q", text))
}

// DeleteTenant revokes the tenant's keys at once. Soon afterwards the service deletes its
// subscriptions and cancels their pending deliveries.
func (c *Client) DeleteTenant(ctx context.Context, id string) error {
	id, err := escapeName("id of a tenant", id)
	if err != nil {
		return err
	}
	return c.do(ctx, call{method: http.MethodDelete, path: "/tenants/" + id})
}
