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
		Short: "Ask the service on this machine whether it can take events",
		Long: `Asks the service that runs with these settings on this machine whether it can take
events, and fails if it can't or does not answer within five seconds. It is the
health check of a container, which has no other program in it.`,
		Example: `  hookferry health
  hookferry health --addr :8080`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(o)
			if err != nil {
				return err
			}
			return askReady(cmd.Context(), s, serviceURL(cfg.Addr))
		},
	}
	cmd.Flags().StringVar(&o.Addr, "addr", "", "address the API listens on (HOOKFERRY_ADDR)")
	return cmd
}

// serviceURL is where the service is, as this machine reaches it.
func serviceURL(addr string) string {
	host, port, _ := net.SplitHostPort(addr) // the settings were checked
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func askReady(ctx context.Context, s streams, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the service at %s does not respond: %s; --addr or HOOKFERRY_ADDR says where it is", url, reason.Of(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("the service at %s: %s", url, reason.Of(err))
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the service at %s is not ready: %s", url, whyNot(res, body))
	}
	_, err = fmt.Fprintf(s.out, "%s is ready\n", url)
	return err
}

// whyNot is what a service says that is not ready.
func whyNot(res *http.Response, body []byte) string {
	var problem struct{ Detail string }
	if json.Unmarshal(body, &problem) != nil || problem.Detail == "" {
		return fmt.Sprintf("it responds with status %d, and not as Hookferry does", res.StatusCode)
	}
	return terminal.Clean(problem.Detail)
}
