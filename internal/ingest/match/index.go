package match

import "sync"

// Index holds the tenants whose subscriptions this node has loaded, by the tenant's number.
// Its zero value is empty, and it is safe for concurrent use.
type Index struct {
	mu      sync.RWMutex
	tenants map[int64]*Tenant
}

// Tenant returns a tenant's index, or nil if it is not loaded.
func (x *Index) Tenant(number int64) *Tenant {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.tenants[number]
}

// Load keeps a tenant's index, unless another goroutine was first with one that is at least
// as new, and returns the one that is kept.
func (x *Index) Load(number int64, loaded *Tenant) *Tenant {
	x.mu.Lock()
	defer x.mu.Unlock()
	if kept := x.tenants[number]; kept != nil && kept.Version() >= loaded.Version() {
		return kept
	}
	if x.tenants == nil {
		x.tenants = map[int64]*Tenant{}
	}
	x.tenants[number] = loaded
	return loaded
}

// Forget drops a tenant's index, so that it is loaded again when it is needed.
func (x *Index) Forget(number int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.tenants, number)
}
