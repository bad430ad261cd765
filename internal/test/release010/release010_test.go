package release010

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The README's table says what is in the databases.
func TestReadmeHasTheCounts(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	a, b := content(t, "sqlite.json"), content(t, "postgres.json")
	row := func(what string, sqlite, postgres int) string {
		return fmt.Sprintf("| %s | %d | %d |\n", what, sqlite, postgres)
	}
	var table strings.Builder
	for _, status := range []string{"pending", "delivered", "failed", "cancelled"} {
		table.WriteString(row(status, a.Counts[status], b.Counts[status]))
	}
	table.WriteString(row("leased, of those pending", a.Leased, b.Leased))
	table.WriteString(row("unclaimed, of those pending", a.Unclaimed, b.Unclaimed))
	table.WriteString(row("unfiled, of those leased", a.Unfiled, b.Unfiled))
	table.WriteString(row("acknowledged events", a.acknowledged(), b.acknowledged()))
	for _, rows := range []string{"events", "delivery_attempts", "idempotency_keys", "subscriptions", "api_keys"} {
		table.WriteString(row("rows of "+rows, a.Rows[rows], b.Rows[rows]))
	}
	if !strings.Contains(string(readme), table.String()) {
		t.Errorf("README.md does not have this table:\n%s", table.String())
	}
}

// Each state that a test of an upgrade may need exists.
func TestEveryStateIsThere(t *testing.T) {
	for _, name := range []string{"sqlite.json", "postgres.json"} {
		c := content(t, name)
		states := map[string]int{
			"leased": c.Leased, "unclaimed": c.Unclaimed, "idempotency_keys": c.Rows["idempotency_keys"],
			"pending": c.Counts["pending"], "delivered": c.Counts["delivered"], "failed": c.Counts["failed"], "cancelled": c.Counts["cancelled"],
		}
		if name == "sqlite.json" {
			states["unfiled"] = c.Unfiled
		}
		for _, s := range c.Subscriptions {
			states[s.State]++
		}
		for _, state := range []string{"active", "inactive", "disabled", "deleted"} {
			states[state] += 0
		}
		for state, n := range states {
			if n == 0 {
				t.Errorf("%s: nothing is %s", name, state)
			}
		}
	}
}

func (c Content) acknowledged() (n int) {
	for _, s := range c.Subscriptions {
		n += len(s.Acknowledged)
	}
	return n
}
