package event

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Tenant is whose webhooks they are: usually a customer of the company that runs the service.
type Tenant struct {
	// No is the tenant's number, by which its rows are found. A number is never used again, so a
	// tenant that is deleted and created again does not see its former history.
	No        int64
	ID        string // the caller's; unique among the tenants that are not deleted; never changes
	Name      string
	Metadata  map[string]string
	Limits    TenantLimits
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt time.Time // zero while it exists
	// Version increases with every change to one of the tenant's subscriptions, except for the
	// health of its endpoint. It tells whether an index of its subscriptions is up to date.
	Version int64
}

// TenantLimits are the limits of one tenant. Zero means no limit of its own.
type TenantLimits struct {
	PublishPerSecond float64 `json:"publish_per_second,omitempty"` // counted by each node
	Pending          int     `json:"pending,omitempty"`            // pending deliveries
	Subscriptions    int     `json:"subscriptions,omitempty"`      // that are not deleted
}

// The tenants that always exist.
const (
	DefaultTenant    = "default" // of requests that name no tenant
	DefaultTenantNo  = 0
	ServiceTenant    = "hookferry" // of the service's own events
	ServiceTenantNo  = 1
	maxTenantID      = 64
	maxTenantName    = 200
	maxTenantPublish = 1_000_000
	// MaxSubscriptionsOfTenant limits how many deliveries one event can have.
	MaxSubscriptionsOfTenant = 10_000
	maxTenantPending         = 1_000_000_000
)

// Deleted reports whether the tenant is deleted.
func (t *Tenant) Deleted() bool { return !t.DeletedAt.IsZero() }

// IsBuiltIn reports whether the tenant always exists and can't be deleted.
func (t *Tenant) IsBuiltIn() bool { return t.No == DefaultTenantNo || t.No == ServiceTenantNo }

const nameBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

// CheckName returns what is wrong with the id of a tenant or the uid of a subscription, or "".
func CheckName(text string) string {
	switch {
	case text == "":
		return "must not be empty"
	case len(text) > maxTenantID:
		return fmt.Sprintf("is %d bytes long; at most %d are allowed", len(text), maxTenantID)
	case text == "." || text == "..":
		return "must not be . or .., which paths use for directories"
	case strings.Trim(text, nameBytes) != "":
		return fmt.Sprintf("is %q; only the characters A-Z, a-z, 0-9, . _ and - are allowed", Clip(text, MaxQuoted))
	}
	return ""
}

// CheckUID returns what is wrong with the uid of a subscription, or "".
func CheckUID(text string) string {
	if problem := CheckName(text); problem != "" {
		return problem
	}
	if _, err := ParseID(text); err == nil {
		return "looks like an id; choose another form, so that a path with it names one subscription"
	}
	return ""
}

// Check checks what a caller may set of a tenant. The error is an *InvalidError.
func (t *Tenant) Check() error {
	var c checker
	c.check("tenant", CheckName(t.ID))
	c.check("name", CheckText(t.Name, maxTenantName))
	c.checkMetadata(t.Metadata)
	l := t.Limits
	if l.PublishPerSecond < 0 || l.PublishPerSecond > maxTenantPublish || math.IsNaN(l.PublishPerSecond) {
		c.check("limits.publish_per_second", fmt.Sprintf("must be between 0 (no limit) and %d", maxTenantPublish))
	}
	if l.Pending < 0 || l.Pending > maxTenantPending {
		c.check("limits.pending", fmt.Sprintf("must be between 0 (no limit) and %d", maxTenantPending))
	}
	if l.Subscriptions < 0 || l.Subscriptions > MaxSubscriptionsOfTenant {
		c.check("limits.subscriptions", fmt.Sprintf("must be between 0 (the service's limit) and %d", MaxSubscriptionsOfTenant))
	}
	return c.err()
}

// CheckText returns what is wrong with a text of at most this many bytes, or "".
func CheckText(text string, limit int) string {
	switch {
	case len(text) > limit:
		return fmt.Sprintf("is %d bytes long; at most %d are allowed", len(text), limit)
	case !utf8.ValidString(text) || strings.Contains(text, "\x00"):
		return "contains a NUL character or invalid UTF-8" // not every database can store them
	}
	return ""
}

// The limits on metadata.
const (
	MaxMetadata      = 50   // entries
	MaxMetadataBytes = 4096 // of all names and values together
)

// CheckMetadata checks the metadata of an event, a subscription or a tenant. The error is an
// *InvalidError.
func CheckMetadata(metadata map[string]string) error {
	var c checker
	c.checkMetadata(metadata)
	return c.err()
}

func (c *checker) checkMetadata(metadata map[string]string) {
	if len(metadata) > MaxMetadata {
		c.check("metadata", fmt.Sprintf("has %d entries; at most %d are allowed", len(metadata), MaxMetadata))
		return
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(metadata)) { // so that the same mistakes give the same message
		size += len(name) + len(metadata[name])
		field := "metadata." + Clip(name, MaxQuoted)
		if name == "" {
			c.check("metadata", "has an entry without a name")
		}
		c.check(field, CheckText(name, MaxMetadataBytes))
		c.check(field, CheckText(metadata[name], MaxMetadataBytes))
	}
	if size > MaxMetadataBytes {
		c.check("metadata", fmt.Sprintf("is %d bytes with its names; at most %d are allowed", size, MaxMetadataBytes))
	}
}

// err returns the faults as an *InvalidError, or nil if there are none.
func (c *checker) err() error {
	if len(c.fields) == 0 {
		return nil
	}
	return &InvalidError{Fields: c.fields}
}

// TenantQuery asks for a page of tenants that are not deleted, ordered by id.
type TenantQuery struct {
	After  string // the id that the page begins after; "" means from the start
	Before string // if not "", the page ends before this id and has the last tenants before it
	Limit  int
}

// TenantChanges are the changes of a tenant's subscriptions after a version, up to the version To.
type TenantChanges struct {
	Tenant Tenant
	// Subscriptions are those that changed, as they are at To or later, in the order of their
	// last change. Deleted ones are included, marked as deleted.
	Subscriptions []Subscription
	To            int64
}
