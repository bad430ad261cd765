package match

import "sync"

// Index holds the tenants that this node has loaded, by number. Its zero value is empty. It is
// safe for concurrent use.
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

// Load stores a tenant's index unless there is one that is as new or newer. It returns the one
// that is stored.
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

// Forget removes a tenant's index. The next one to need it loads it again.
func (x *Index) Forget(number int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.tenants, number)
}
