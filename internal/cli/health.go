package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/reason"
	"github.com/hookferry/hookferry/internal/terminal"
)

func newHealth(s streams) *cobra.Command {
	var o config.Overrides
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Check that the service on this machine accepts events",
		Long: `Asks the service that runs on this machine with these settings whether it accepts
events. Fails if it does not, or if it does not respond within five seconds. Meant as
the health check of a container that contains no other program.`,
		Example: `  hookferry health
  hookferry health --addr :8080`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(o)
			if err != nil {
				return err
			}
			return checkReady(cmd.Context(), s, serviceURL(cfg.Addr))
		},
	}
	cmd.Flags().StringVar(&o.Addr, "addr", "", "address of the API (HOOKFERRY_ADDR)")
	return cmd
}

// serviceURL returns the URL at which this machine reaches the service.
func serviceURL(addr string) string {
	host, port, _ := net.SplitHostPort(addr) // the settings were checked
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func checkReady(ctx context.Context, s streams, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the service at %s does not respond: %s; set its address with --addr or HOOKFERRY_ADDR", url, reason.Of(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("the service at %s: %s", url, reason.Of(err))
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the service at %s is not ready: %s", url, notReadyReason(res, body))
	}
	_, err = fmt.Fprintf(s.out, "%s is ready\n", url)
	return err
}

// notReadyReason returns the reason that a service gives for not being ready.
func notReadyReason(res *http.Response, body []byte) string {
	var problem struct{ Detail string }
	if json.Unmarshal(body, &problem) != nil || problem.Detail == "" {
		return fmt.Sprintf("it responded with status %d, and is probably not Hookferry", res.StatusCode)
	}
	return terminal.Clean(problem.Detail)
}
