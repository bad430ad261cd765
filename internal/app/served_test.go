package app

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/config"
)

// TestServedAddresses: the log line of a ready node names only what the node serves.
func TestServedAddresses(t *testing.T) {
	listening := func() server {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return server{listener: l}
	}
	for _, tt := range []struct {
		role    config.Role
		servers []server
		want    string // names in the log line
	}{
		{config.RoleAll, []server{listening(), listening()}, "api docs admin role database"},
		{config.RoleAll, []server{listening()}, "api docs role database"},
		{config.RoleAPI, []server{listening()}, "api docs role database"},
		{config.RoleWorker, []server{listening(), listening()}, "probes admin role database"},
		{config.RoleWorker, []server{listening()}, "probes role database"},
	} {
		a := &App{cfg: config.Config{Role: tt.role, Database: config.Database{Engine: config.SQLite, Path: "x/y.db"}}, servers: tt.servers}
		var names []string
		for _, attr := range a.servedAttrs() {
			names = append(names, attr.Key)
			if isURL := strings.HasPrefix(attr.Value.String(), "http://127.0.0.1:"); isURL != (attr.Key != "role" && attr.Key != "database") {
				t.Errorf("%s: %s is %s", tt.role, attr.Key, attr.Value)
			}
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s with %d addresses says %s, want %s", tt.role, len(tt.servers), fmt.Sprint(names), tt.want)
		}
	}
}
