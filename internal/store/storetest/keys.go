package storetest

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var keyCases = []testCase{
	{"a key is found by its hash", keyFound},
	{"an unknown hash is not found", keyUnknown},
	{"the list has every key, including revoked ones", keysListed},
	{"a revoked key has the time of its revocation", keyRevoked},
	{"a key is revoked once", keyRevokedTwice},
	{"a key's scope and expiry are kept", keyScopeKept},
	{"a key has the time of its last use", keyUsed},
	{"a key may be bound to a tenant, and ends with it", keyBound},
}

// createKey stores a key whose text is its name.
func (r rig) createKey(name string) event.APIKey {
	r.t.Helper()
	at := r.tick()
	k := event.APIKey{Scope: event.ScopeAdmin, ID: event.NewID(at), Name: name, Prefix: "hf_abcd", Hash: sha256.Sum256([]byte(name)), CreatedAt: at}
	r.must("create a key", r.s.CreateKey(r.t.Context(), k))
	return k
}

func (r rig) keyOf(k event.APIKey) event.APIKey {
	r.t.Helper()
	got, err := r.s.KeyByHash(r.t.Context(), k.Hash)
	r.must("find a key", err)
	return got
}

func keyFound(r rig) {
	for _, name := range []string{"", "ci", "Schlüssel für 東京", "'; --"} {
		k := r.createKey(name)
		got := r.keyOf(k)
		same(r.t, "key", got, k)
		inUTC(r.t, map[string]time.Time{"CreatedAt": got.CreatedAt, "RevokedAt": got.RevokedAt})
	}
}

func keyUnknown(r rig) {
	near := r.createKey("ci").Hash
	near[31]++
	for _, hash := range [][32]byte{{}, near, sha256.Sum256([]byte("CI"))} {
		_, err := r.s.KeyByHash(r.t.Context(), hash)
		r.mustFail("find an unknown key", err, event.ErrNotFound)
	}
}

func keysListed(r rig) {
	want := []event.APIKey{r.createKey("a"), r.createKey("b"), r.createKey("b again")}
	want[1].RevokedAt = r.tick()
	r.must("revoke", r.s.RevokeKey(r.t.Context(), want[1].ID, want[1].RevokedAt))
	got, err := r.s.ListKeys(r.t.Context())
	r.must("list keys", err)
	slices.SortFunc(got, func(a, b event.APIKey) int { return slices.Compare(a.ID[:], b.ID[:]) })
	same(r.t, "keys", got, want)
}

func keyRevoked(r rig) {
	k, other := r.createKey("a"), r.createKey("b")
	k.RevokedAt = r.tick()
	r.must("revoke", r.s.RevokeKey(r.t.Context(), k.ID, k.RevokedAt))
	got := r.keyOf(k)
	same(r.t, "revoked key", got, k)
	inUTC(r.t, map[string]time.Time{"RevokedAt": got.RevokedAt})
	same(r.t, "other key", r.keyOf(other), other)
}

func keyRevokedTwice(r rig) {
	k := r.createKey("a")
	k.RevokedAt = r.tick()
	r.must("revoke", r.s.RevokeKey(r.t.Context(), k.ID, k.RevokedAt))
	r.mustFail("revoke again", r.s.RevokeKey(r.t.Context(), k.ID, r.tick()), event.ErrNotFound)
	same(r.t, "revoked key", r.keyOf(k), k)
	r.mustFail("revoke an unknown key", r.s.RevokeKey(r.t.Context(), event.NewID(r.now), r.tick()), event.ErrNotFound)
}

func keyScopeKept(r rig) {
	for i, scope := range []event.Scope{event.ScopeAdmin, event.ScopePublish, event.ScopeRead, "of a later release", ""} {
		at := r.tick()
		k := event.APIKey{
			ID: event.NewID(at), Name: "a", Hash: sha256.Sum256([]byte{byte(i)}), Scope: scope,
			CreatedAt: at, ExpiresAt: at.Add(90 * 24 * time.Hour), UsedAt: at.Add(time.Minute),
		}
		r.must("create a key", r.s.CreateKey(r.t.Context(), k))
		got := r.keyOf(k)
		same(r.t, "key", got, k)
		inUTC(r.t, map[string]time.Time{"ExpiresAt": got.ExpiresAt, "UsedAt": got.UsedAt})
	}
}

func keyUsed(r rig) {
	k, other := r.createKey("a"), r.createKey("b")
	earlier := r.tick()
	k.UsedAt = r.tick()
	for _, at := range []time.Time{k.UsedAt, earlier, k.UsedAt} { // two nodes, whose clocks differ
		r.must("record a use", r.s.KeyUsed(r.t.Context(), k.ID, at))
		same(r.t, "used key", r.keyOf(k), k)
	}
	same(r.t, "other key", r.keyOf(other), other)
	r.must("record the use of an unknown key", r.s.KeyUsed(r.t.Context(), event.NewID(r.now), r.tick()))
	k.RevokedAt = r.tick()
	r.must("revoke", r.s.RevokeKey(r.t.Context(), k.ID, k.RevokedAt))
	same(r.t, "used and revoked key", r.keyOf(k), k)
}

func keyBound(r rig) {
	r.members("acme", 1)
	no := r.tenant("acme").No
	for _, scope := range []event.Scope{event.ScopeAdmin, event.ScopePublish, event.ScopeRead} {
		for tenant, number := range map[string]int64{"acme": no, event.DefaultTenant: event.DefaultTenantNo} {
			at := r.tick()
			k := event.APIKey{Scope: scope, Tenant: tenant, ID: event.NewID(at), Name: tenant, Hash: sha256.Sum256([]byte(tenant + string(scope))), CreatedAt: at}
			r.must("create a bound key", r.s.CreateKey(r.t.Context(), k))
			k.TenantNo = number
			same(r.t, "key", r.keyOf(k), k)
		}
	}
	free := r.createKey("free")
	at := r.tick()
	unknown := event.APIKey{Scope: event.ScopeAdmin, Tenant: "nobody", ID: event.NewID(at), Hash: sha256.Sum256([]byte("nobody")), CreatedAt: at}
	r.mustFail("create a key of an unknown tenant", r.s.CreateKey(r.t.Context(), unknown), event.ErrNotFound)
	_, err := r.s.KeyByHash(r.t.Context(), unknown.Hash)
	r.mustFail("find a key that was refused", err, event.ErrNotFound)

	ended := r.tick()
	r.must("delete a tenant", r.s.DeleteTenant(r.t.Context(), "acme", ended))
	keys, err := r.s.ListKeys(r.t.Context())
	r.must("list keys", err)
	for _, k := range keys {
		if revoked := k.Tenant == "acme"; revoked && !k.RevokedAt.Equal(ended) || !revoked && !k.RevokedAt.IsZero() {
			r.t.Errorf("the key of %q was revoked at %v", k.Tenant, k.RevokedAt)
		}
	}
	if len(keys) != 7 || !r.keyOf(free).RevokedAt.IsZero() {
		r.t.Errorf("%d keys are listed, want 7", len(keys))
	}
	again, _ := r.putTenant(event.Tenant{ID: "acme", CreatedAt: r.tick(), UpdatedAt: r.tick()})
	at = r.tick()
	k := event.APIKey{Scope: event.ScopeRead, Tenant: "acme", ID: event.NewID(at), Hash: sha256.Sum256([]byte("again")), CreatedAt: at}
	r.must("create a key of the new tenant", r.s.CreateKey(r.t.Context(), k))
	if got := r.keyOf(k); got.TenantNo != again.No {
		r.t.Errorf("the key is bound to tenant %d, not %d", got.TenantNo, again.No)
	}
}
