package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/reason"
	"github.com/hookferry/hookferry/internal/terminal"
)

// remoteHelp is the part of a command's help that says how it reaches the service.
const remoteHelp = `The service is the one at --url or HOOKFERRY_URL, or else at http://127.0.0.1:8000. The
API key is that of --token, or of the environment variable HOOKFERRY_TOKEN or else
HOOKFERRY_API_KEY, which other users of the machine can't see.`

// remote is a running service that a command calls.
type remote struct {
	url   string
	token string
}

// addFlags adds the flags that say where the service is and with which key it is called.
func (r *remote) addFlags(f *pflag.FlagSet) {
	f.StringVar(&r.url, "url", "", "URL of the service (HOOKFERRY_URL; default: http://127.0.0.1:8000)")
	f.StringVar(&r.token, "token", "", "API key (better: HOOKFERRY_TOKEN)")
}

// open fills in what the flags do not say, and returns a client of the service.
func (r *remote) open() (*client.Client, error) {
	source := "--url"
	if r.url == "" {
		source, r.url = "HOOKFERRY_URL", os.Getenv("HOOKFERRY_URL")
	}
	r.url = cmp.Or(r.url, "http://127.0.0.1:8000")
	r.token = cmp.Or(r.token, os.Getenv("HOOKFERRY_TOKEN"), os.Getenv("HOOKFERRY_API_KEY"))
	if strings.Contains(r.url, "@") { // the error must not repeat any part of it
		return nil, usageError{errors.New(source + " must not contain a user name or password: write it like http://127.0.0.1:8000, and set the API key with HOOKFERRY_TOKEN")}
	}
	c, err := client.New(r.url, client.WithKey(r.token))
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// use calls the service, and explains an error.
func (r *remote) use(call func(*client.Client) error) error {
	c, err := r.open()
	if err != nil {
		return err
	}
	defer c.CloseIdleConnections()
	return r.explain(call(c))
}

// explain says what to do about an error. It cleans the text of the service, which is not trusted.
func (r *remote) explain(err error) error {
	problem, isProblem := errors.AsType[*client.Problem](err)
	_, isNetwork := errors.AsType[*url.Error](err)
	usage, isUsage := errors.AsType[usageError](err)
	switch {
	case err == nil || errors.Is(err, errSaid):
		return err
	case isUsage:
		return usage
	case errors.Is(err, context.Canceled):
		return errors.New("stopped; what was asked of the service may or may not have happened")
	case isProblem && problem.Status == 401 && r.token == "" && problem.Code == "unauthorized":
		return errors.New("the service needs an API key: set HOOKFERRY_TOKEN; `hookferry keys create NAME` creates one")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens on %s: is `hookferry serve --dev` running? Set the address of the service with --url", hostOf(r.url))
	case isNetwork:
		return fmt.Errorf("can't reach the service at %s: %s; set its address with --url", hostOf(r.url), reason.Of(err))
	}
	return errors.New(terminal.Clean(readable(err)))
}

func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return terminal.Clean(rawURL)
	}
	return u.Host
}
