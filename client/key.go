package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Key is an API key. The service does not store the key itself.
type Key struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Scope      string    `json:"scope"`           // admin, publish or read
	Tenant     string    `json:"tenant,omitzero"` // the only tenant that it sees and uses; "": all tenants
	BeginsWith string    `json:"begins_with"`     // its first characters
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"` // zero: it never expires
	RevokedAt  time.Time `json:"revoked_at,omitzero"` // zero: it was not revoked
	UsedAt     time.Time `json:"used_at,omitzero"`    // when it was last used, within a few minutes; zero: never
	Key        string    `json:"key,omitzero"`        // the key, only in the response to a create
}

// KeyInput describes the key to create.
type KeyInput struct {
	Name      string    `json:"name"`                // what the key is for
	Scope     string    `json:"scope"`               // admin, publish or read
	Tenant    string    `json:"tenant,omitzero"`     // the only tenant that it may see and use; "": that of the key that creates it, or all
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: never
}

// CreateKey creates an API key. The result's Key is shown only once.
func (c *Client) CreateKey(ctx context.Context, in KeyInput) (k Key, err error) {
	err = c.doJSON(ctx, "key", in, call{method: http.MethodPost, path: "/keys/", into: &k})
	return k, err
}

// ListKeys iterates over the API keys, and reads them page by page. It stops at the first error.
func (c *Client) ListKeys(ctx context.Context) iter.Seq2[Key, error] {
	return list[Key](ctx, c, "/keys/", nil)
}

// RevokeKey revokes an API key permanently.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	id, err := escape("key", id)
	if err != nil {
		return err
	}
	return c.do(ctx, call{method: http.MethodDelete, path: "/keys/" + id})
}
