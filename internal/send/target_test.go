package send

import (
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

func TestAChangedSubscriptionIsPreparedAnew(t *testing.T) {
	t.Parallel()
	sub := subscription("http://a.example/1")
	sub.Secrets = []event.Secret{"one"}
	sub.Headers = map[string]string{"X-A": "1"}
	c := targets{guard: NewGuard(Rules{}), byID: make(map[event.ID]*target)}
	first := c.get(&sub)
	if c.get(&sub) != first {
		t.Error("an unchanged one was prepared twice")
	}
	changes := map[string]func(){
		"the URL":            func() { sub.TargetURL = "http://a.example/2" },
		"a secret":           func() { sub.Secrets = []event.Secret{"two", "one"} },
		"a secret, in place": func() { sub.Secrets[0] = "three" },
		"no secrets":         func() { sub.Secrets = nil },
		"a header":           func() { sub.Headers = map[string]string{"X-A": "2"} },
		"a header, in place": func() { sub.Headers["X-A"] = "3" },
		"no headers":         func() { sub.Headers = nil },
	}
	for _, name := range []string{"the URL", "a secret", "a secret, in place", "no secrets", "a header", "a header, in place", "no headers"} {
		before := c.get(&sub)
		changes[name]()
		if c.get(&sub) == before {
			t.Errorf("%s: what was prepared is stale", name)
		}
	}
	if len(c.byID) != 1 {
		t.Errorf("%d are kept of one subscription", len(c.byID))
	}
}

func TestPreparedSubscriptionsAreBounded(t *testing.T) {
	t.Parallel()
	c := targets{guard: NewGuard(Rules{}), byID: make(map[event.ID]*target)}
	for range maxTargets + 10 {
		c.put(event.NewID(time.Now()), &target{})
	}
	if len(c.byID) != maxTargets {
		t.Errorf("%d are kept, want %d", len(c.byID), maxTargets)
	}
}
