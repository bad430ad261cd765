package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// foreignWords are words from the errors of Go's library and of the command-line library.
var foreignWords = regexp.MustCompile(`strconv\.|dial tcp|listen tcp|lookup \S+\.\w|missing port|no such host|invalid URL escape|x509:|tls:|invalid argument|` +
	`unknown flag|unknown shorthand|flag needs|parse "|time: (?:invalid|missing|unknown)|net/http|unexpected EOF|fork/exec|mkdir |stat |open /|proxyconnect|context deadline|invalid character|SEKRET`)

// rubbish returns wrong values that people may type.
func rubbish(flag string) []string {
	if flag == "data" { // almost any other text is the name of a directory
		return []string{"/dev/null/x", "\x00", "~/x"}
	}
	return []string{
		"rubbish", "-1", "1.5", "99999999999999999999", "1e9", "10 s", "[10,30]", "\x00", "é", "nohost.invalid:80", "http://u:SEKRET@127.0.0.1:1", "http://u:p@SEKRET#w%rd@127.0.0.1:1",
		"http://u:SEKRET%zz@h:1", "https://127.0.0.1:1", "%zz", "/proc/nowhere/x", "/dev/null/x", "::", ":http", "127.0.0.1:99999", "203.0.113.1:1", "a b", "true1", "postgres=x",
	}
}

// TestWrongValueInEachFlag: whatever value a flag has, the error is in our own words.
func TestWrongValueInEachFlag(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HOOKFERRY_ADDR", "127.0.0.1:0")
	t.Setenv("HOOKFERRY_ADMIN_ADDR", "off")
	beside := map[string]map[string]string{ // flags that keep a command from running for real
		"listen": {"addr": "127.0.0.1:0"}, "health": {"addr": "127.0.0.1:1"},
	}
	t.Setenv("HOOKFERRY_URL", "http://127.0.0.1:1")
	arguments := map[string][]string{
		"create": {"operator"}, "revoke": {"0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071"}, "send": {"x", "y", "{}"}, "publish": {"x", "{}"}, "subscribe": {"http://x.example"},
		"put": {"x"}, "delete": {"x"}, "archive": {"x"},
	}
	tried := 0
	everyFlag(newRoot(streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard}), func(c *cobra.Command, f *pflag.Flag) {
		var together sync.WaitGroup // a command that accepts the value runs until the timeout
		defer together.Wait()
		for _, value := range rubbish(f.Name) {
			args := append(strings.Fields(c.CommandPath())[1:], arguments[c.Name()]...)
			if c.Flag("url") != nil && f.Name != "url" {
				args = append(args, "--url=http://127.0.0.1:1")
			}
			for name, text := range beside[c.Name()] {
				if name != f.Name {
					args = append(args, "--"+name+"="+text)
				}
			}
			tried++
			together.Go(func() { wantOwnWords(t, append(args, "--"+f.Name+"="+value), f.Name) })
		}
		wantOwnWords(t, append(strings.Fields(c.CommandPath())[1:], "--"+f.Name[1:]+"x="), f.Name) // there is none such
	})
	if tried < 1000 {
		t.Errorf("only %d flags were tried: is the walk broken?", tried)
	}
}

func everyFlag(c *cobra.Command, use func(*cobra.Command, *pflag.Flag)) {
	if c.RunE != nil && !c.HasSubCommands() || slices.Contains([]string{"bench", "tenants", "event-types"}, c.Name()) {
		c.Flags().VisitAll(func(f *pflag.Flag) { use(c, f) })
		c.InheritedFlags().VisitAll(func(f *pflag.Flag) { use(c, f) })
	}
	for _, sub := range c.Commands() {
		everyFlag(sub, use)
	}
}

// wantOwnWords runs a command for a moment.
func wantOwnWords(t *testing.T, args []string, flag string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	defer time.AfterFunc(300*time.Millisecond, stop).Stop() // like Ctrl-C
	var out strings.Builder
	Run(ctx, args, strings.NewReader(""), &out, &out)
	mayHoldSecret := slices.Contains([]string{"url", "key", "token", "secret", "idempotency-key"}, flag)
	found := foreignWords.FindString(strings.ReplaceAll(out.String(), strconv.Quote(args[len(args)-1][len(flag)+3:]), "")) // what was typed may be repeated
	if mayHoldSecret && strings.Contains(out.String(), "SEKRET") || found != "" && found != "SEKRET" {
		t.Errorf("%q says %q:\n%s", args, found, out.String())
	}
}

// TestWhereNothingIsAsItShould: each command that can't connect says why in our own words.
func TestWhereNothingIsAsItShould(t *testing.T) {
	t.Chdir(t.TempDir())
	noise, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer noise.Close()
	go func() {
		for {
			c, err := noise.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 4096))
			c.Write([]byte("220 mail.example ESMTP\r\n\r\n"))
			c.Close()
		}
	}()
	addr := noise.Addr().String()
	for _, tt := range []struct {
		why  string
		args []string
		want string
	}{
		{"nothing listens", []string{"health", "--addr", "127.0.0.1:1"}, "http://127.0.0.1:1 does not respond: nothing listens there"},
		{"another protocol", []string{"health", "--addr", addr}, "does not speak HTTP"},
		{"a name that does not exist", []string{"health", "--addr", "nohost.invalid:80"}, "the service at http://nohost.invalid:80 does not respond: "},
		{"nothing listens", []string{"send", "--url", "http://127.0.0.1:1", "x", "y", "{}"}, "nothing listens on 127.0.0.1:1"},
		{"another protocol", []string{"send", "--url", "http://" + addr, "x", "y", "{}"}, "does not speak HTTP"},
		{"TLS to a server without it", []string{"send", "--url", "https://" + addr, "x", "y", "{}"}, "does not speak TLS"},
		{"a user name", []string{"send", "--url", "http://u:SEKRET@127.0.0.1:1", "x", "y", "{}"}, "--url must not contain a user name"},
		{"a key that a header can't contain", []string{"send", "--url", "http://127.0.0.1:1", "--key", "SEKRET\n", "x", "y", "{}"}, "the API key contains a space"},
		{"nothing listens", []string{"publish", "--url", "http://127.0.0.1:1", "x", "{}"}, "nothing listens on 127.0.0.1:1"},
		{"nothing listens", []string{"subscribe", "--url", "http://127.0.0.1:1", "http://x.example"}, "nothing listens on 127.0.0.1:1"},
		{"nothing listens", []string{"subscriptions", "--url", "http://127.0.0.1:1"}, "nothing listens on 127.0.0.1:1"},
		{"nothing listens", []string{"tenants", "--url", "http://127.0.0.1:1"}, "nothing listens on 127.0.0.1:1"},
		{"nothing listens", []string{"event-types", "put", "x", "--url", "http://127.0.0.1:1"}, "nothing listens on 127.0.0.1:1"},
		{"another protocol", []string{"tenants", "put", "x", "--url", "http://" + addr}, "does not speak HTTP"},
		{"a name that does not exist", []string{"event-types", "archive", "x", "--url", "http://nohost.invalid"}, "can't reach the service at nohost.invalid"},
		{"a user name", []string{"tenants", "--url", "http://u:SEKRET@127.0.0.1:1"}, "--url must not contain a user name"},
		{"a token that a header can't contain", []string{"tenants", "--url", "http://127.0.0.1:1", "--token", "SEKRET\n"}, "the API key contains a space"},
		{"a file that does not exist", []string{"publish", "--file", "nowhere.jsonl"}, "\"nowhere.jsonl\" can't be used: "},
		{"a schema that does not exist", []string{"event-types", "put", "x", "--schema", "nowhere.json"}, "\"nowhere.json\" can't be used: "},
		{"a time without a zone", []string{"publish", "x", "{}", "--deliver-at", "2027-01-31"}, "write a time with its zone"},
		{"nothing listens", []string{"bench", "--url", "http://127.0.0.1:1"}, "nothing listens there"},
		{"another protocol", []string{"bench", "--url", "http://" + addr}, "does not speak HTTP"},
		{"a user name", []string{"bench", "--url", "http://u:SEKRET@127.0.0.1:1"}, "without a user name"},
		{"an address in use", []string{"listen", "--addr", addr}, "another process is already listening there"},
		{"no address", []string{"listen", "--addr", "nine thousand"}, "it is not an address"},
		{"an address in use, with --hostile", []string{"listen", "--hostile", "slow-body", "--addr", addr}, "another process is already listening there"},
		{"an address in use, for the endpoints", []string{"bench", "--listen", addr, "--url", "http://127.0.0.1:1"}, "another process is already listening there"},
		{"an address in use, for the service", []string{"serve", "--dev", "--addr", addr}, "can't listen on " + addr + ", because another process does"},
		{"an address of another machine", []string{"serve", "--addr", "203.0.113.1:80"}, ""},
		{"a directory below a file", []string{"serve", "--dev", "--addr", "127.0.0.1:0", "--data", "/dev/null/x"}, "can't be used: part of its path is not a directory"},
		{"the same", []string{"keys", "create", "x", "--data", "/dev/null/x"}, "part of its path is not a directory"},
	} {
		status, out, said := runCommand(t, tt.args...)
		if status == 0 || !strings.Contains(said, tt.want) || foreignWords.MatchString(out+said) {
			t.Errorf("%s: %v ends with %d and says %s%s, want %q", tt.why, tt.args, status, out, said, tt.want)
		}
	}
	t.Setenv("HOOKFERRY_URL", "http://u:SEKRET@127.0.0.1:1")
	if status, out, said := runCommand(t, "tenants"); status != 2 || !strings.Contains(said, "HOOKFERRY_URL must not contain a user name") || strings.Contains(out+said, "SEKRET") {
		t.Errorf("a user name in HOOKFERRY_URL ends with %d and says %s%s", status, out, said)
	}
	for _, args := range [][]string{{"doctor"}, {"keys", "list"}, {"keys", "create", "x"}, {"migrate"}, {"migrate", "--dry-run"}, {"serve"}} {
		for url, want := range map[string]string{
			"postgres://SEKRET:SEKRET@127.0.0.1:1/SEKRET":           "PostgreSQL at 127.0.0.1:1: nothing listens there",
			"postgres://SEKRET:SEKRET@nohost.invalid/SEKRET":        "PostgreSQL at nohost.invalid:5432: ",
			"postgres://hf:p@SEKRET#w%rd@127.0.0.1:1/hf":            "%40 for @",
			"postgres://hf:p@SEKRET@127.0.0.1/hf":                   "%40 for @",
			"postgres://hf@127.0.0.1:1/hf?sslmode=SEKRET":           "sslmode must be",
			"postgres://hf@127.0.0.1:1/hf?sslpassword=SEKRET":       "nothing listens there",
			"postgres://hf@127.0.0.1:1/hf?password=SEKRET&port=SEK": "a port must be a number",
		} {
			t.Setenv("DATABASE_URL", url)
			status, out, said := runCommand(t, args...)
			if status == 0 || !strings.Contains(said, want) || foreignWords.MatchString(out+said) {
				t.Errorf("%v with %s ends with %d and says %s%s, want %q", args, url, status, out, said, want)
			}
		}
	}
}

func TestReadable(t *testing.T) {
	_, number := strconv.Atoi("SEKRET")
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	_, escape := url.PathUnescape("%zz")
	for _, tt := range []struct {
		why  string
		err  error
		want string
	}{
		{"only our own text", errors.New("write true or false"), "write true or false"},
		{"wrapped", fmt.Errorf("ask a: %w; try b", refused), "ask a: nothing listens there; try b"},
		{"inside a URL's error", fmt.Errorf("ask: %w", &url.Error{Op: "Get", URL: "http://u:SEKRET@h", Err: refused}), "ask: nothing listens there"},
		{"two library errors", errors.Join(fmt.Errorf("a: %w", refused), fmt.Errorf("b: %w", number)), "a: nothing listens there\nb: it is not a usable number"},
		{"a file error", fmt.Errorf("copy: %w", &fs.PathError{Op: "open", Path: "/x", Err: syscall.ENOSPC}), `copy: "/x" can't be used: the disk is full`},
		{"an escape error", fmt.Errorf("a: %w", escape), "a: it is not a URL"},
		{"an unexpected end", fmt.Errorf("read: %w", io.ErrUnexpectedEOF), "read: the connection was closed before the response was complete"},
	} {
		if got := readable(tt.err); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.why, got, tt.want)
		}
	}
}
