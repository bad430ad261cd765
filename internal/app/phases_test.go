package app

import (
	"log/slog"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/config"
)

// A client that is slow in any phase is cut off, on both addresses. net/http enforces these limits;
// the service must set each of them, because the default is no limit.
func TestEveryPhaseOfARequestIsBounded(t *testing.T) {
	cfg, err := config.Load([]string{"HOOKFERRY_ADMIN_ADDR=127.0.0.1:0"}, "", config.Overrides{Dev: true, Addr: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if len(a.servers) != 2 {
		t.Fatalf("%d servers", len(a.servers))
	}
	for _, s := range a.servers {
		for phase, limit := range map[string]struct{ is, most time.Duration }{
			"the headers":          {s.http.ReadHeaderTimeout, 10 * time.Second},
			"the whole request":    {s.http.ReadTimeout, 30 * time.Second},
			"the response":         {s.http.WriteTimeout, 2 * time.Minute},
			"silence between them": {s.http.IdleTimeout, 2 * time.Minute},
		} {
			if limit.is <= 0 || limit.is > limit.most {
				t.Errorf("%s may take %v, want at most %v", phase, limit.is, limit.most)
			}
		}
		if n := s.http.MaxHeaderBytes; n <= 0 || n > 32<<10 {
			t.Errorf("headers may have %d bytes", n)
		}
		if _, bounded := s.listener.(*limitListener); !bounded {
			t.Error("the number of connections is not limited")
		}
	}
}
