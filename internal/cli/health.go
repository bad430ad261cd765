package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/config"
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
			url, err := readyURL(cfg.Addr)
			if err != nil {
				return err
			}
			return askReady(cmd.Context(), s, url)
		},
	}
	cmd.Flags().StringVar(&o.Addr, "addr", "", "address the API listens on (HOOKFERRY_ADDR)")
	return cmd
}

// readyURL is where the service says whether it is ready, as this machine reaches it.
func readyURL(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("the address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}

func askReady(ctx context.Context, s streams, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it is not ready: %s %s", res.Status, body)
	}
	_, err = fmt.Fprintln(s.out, "ready")
	return err
}
