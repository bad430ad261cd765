package api

import "testing"

func TestNearest(t *testing.T) {
	for _, c := range []struct{ name, want, reason string }{
		{"tenent", "tenant", "a letter replaced"},
		{"metdata", "metadata", "a letter missing"},
		{"channelss", "channels", "a letter too many"},
		{"chanels", "channels", "one of two letters missing"},
		{"deliverAt", "deliver_at", "camel case"},
		{"DELIVER-AT", "deliver_at", "capitals and a hyphen"},
		{"subscriptionId", "subscription_id", "camel case"},
		{"idempotencykey", "idempotency_key", "no separator"},
		{"dat", "data", "a short name"},
		{"evnt", "event", "another"},
		{"id", "", "near to nothing"},
		{"type", "", "another word"},
		{"payload", "", "another word for data"},
		{"", "", "no name"},
		{"tenantenantenantenantenantenantenant", "", "a long name"},
	} {
		if got := nearest(c.name, publishFields); got != c.want {
			t.Errorf("%s: %q is near to %q, want %q", c.reason, c.name, got, c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"flaw", "lawn", 2}} {
		if got, back := distance(c.a, c.b), distance(c.b, c.a); got != c.want || back != c.want {
			t.Errorf("%q and %q: %d and %d, want %d", c.a, c.b, got, back, c.want)
		}
	}
}
