package app_test

import (
	"net/http"
	"testing"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
)

// TestTwoForDevelopmentSideBySide needs only different addresses and directories.
func TestTwoForDevelopmentSideBySide(t *testing.T) {
	admins := map[string]bool{}
	for range 2 {
		cfg, err := config.Load(nil, "", config.Overrides{Dev: true, Addr: "127.0.0.1:0", Data: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		a, err := app.New(t.Context(), cfg, "test", app.NewLogger(t.Output(), cfg))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		ctx := t.Context()
		go func() { ended <- a.Run(ctx) }()
		t.Cleanup(func() {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		admins[a.AdminAddr()] = true
		response, err := http.Get("http://" + a.AdminAddr() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close(); response.StatusCode != http.StatusOK {
			t.Errorf("/metrics responds %s", response.Status)
		}
	}
	if len(admins) != 2 {
		t.Errorf("the admin addresses are %v, want two", admins)
	}
}
