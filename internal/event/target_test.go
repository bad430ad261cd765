package event_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

func TestCheckTargetAccepts(t *testing.T) {
	tests := []struct{ reason, url, host, port string }{
		{"https", "https://example.com/webhook", "example.com", ""},
		{"http", "http://example.com/webhook", "example.com", ""},
		{"this machine: the guard decides", "http://localhost:9000/webhook", "localhost", "9000"},
		{"no path", "https://example.com", "example.com", ""},
		{"a query without a path", "https://example.com?a=b", "example.com", ""},
		{"a query with anything percent-encoded", "https://example.com/a%20b?x=%00%ff&y=[1]", "example.com", ""},
		{"an invalid escape in a query, which is sent unchanged", "https://example.com/?x=%zz", "example.com", ""},
		{"the scheme in capitals", "HTTPS://example.com/", "example.com", ""},
		{"the host in capitals", "https://EXAMPLE.com/", "EXAMPLE.com", ""},
		{"the smallest port", "https://example.com:1/", "example.com", "1"},
		{"zeros before a port, which are not repeated in Host", "http://example.com:021100/", "example.com", "021100"},
		{"the largest port", "https://example.com:65535/", "example.com", "65535"},
		{"an IDN in its ASCII form", "https://xn--mnchen-3ya.example/", "xn--mnchen-3ya.example", ""},
		{"a trailing dot", "https://example.com./", "example.com.", ""},
		{"an underscore, as in compose files", "http://my_service:8080/", "my_service", "8080"},
		{"an IPv4 address", "http://192.0.2.1/", "192.0.2.1", ""},
		{"an IPv6 address", "https://[2001:db8::1]/", "2001:db8::1", ""},
		{"an IPv6 address and a port", "https://[2001:db8::1]:8443/", "2001:db8::1", "8443"},
		{"an IPv4 address in IPv6: the guard decides", "http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1", ""},
		{"an address as one number: the guard decides", "http://2130706433/", "2130706433", ""},
		{"an address in hexadecimal: the guard decides", "http://0x7f.1/", "0x7f.1", ""},
		{"an @ in the path", "https://example.com/@user", "example.com", ""},
		{"an @ and a colon in the query", "https://example.com/?to=a:b@c", "example.com", ""},
		{"the longest label", "https://" + strings.Repeat("a", 63) + ".example/", strings.Repeat("a", 63) + ".example", ""},
		{"the longest URL", "https://example.com/" + strings.Repeat("x", event.MaxTargetURL-20), "example.com", ""},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			wantMessage(t, event.CheckTarget(tt.url), "")
			u, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			if u.Hostname() != tt.host || u.Port() != tt.port {
				t.Errorf("the host is %q, the port %q; want %q and %q", u.Hostname(), u.Port(), tt.host, tt.port)
			}
		})
	}
}

func TestCheckTargetRefuses(t *testing.T) {
	tests := []struct {
		reason, url, want string
	}{
		{"nothing", "", "empty"},
		{"a space", " ", "begins with a space; remove it"},
		{"too long", "https://example.com/" + strings.Repeat("x", event.MaxTargetURL-19), "2049 bytes"},
		{"much too long", "https://" + strings.Repeat("x", 100_000), "100008 bytes"},

		{"no scheme", "example.com/webhook", "scheme"},
		{"no scheme, but a port", "localhost:9000/webhook", "scheme"},
		{"a path", "/webhook", "scheme"},
		{"a missing scheme", "//example.com/", "scheme"},
		{"a script", "javascript:alert(1)", "scheme"},
		{"a script with a host", "javascript://example.com/%0aalert(1)", "scheme"},
		{"a file", "file:///etc/passwd", "scheme"},
		{"a mail", "mailto:a@example.com", "scheme"},
		{"data", "data:text/html,x", "scheme"},
		{"another protocol", "ftp://example.com/", "scheme"},
		{"a protocol that can send anything", "gopher://example.com:6379/_x", "scheme"},
		{"a web socket", "wss://example.com/", "scheme"},
		{"a longer scheme that begins with https", "https+unix://example.com/", "scheme"},

		{"no host", "https://", "no host"},
		{"no host but a path", "https:///webhook", "no host"},
		{"no host but a port: this machine", "http://:80/", "no host"},
		{"no host but a query", "http://?x", "no host"},
		{"opaque", "https:example.com", "no host"},
		{"one slash", "https:/example.com", "no host"},
		{"backslashes", `https:\\example.com`, "has backslashes after its scheme; use // instead"},
		{"a backslash after the host", `https://example.com\@evil.example/`, "has a backslash in or after its host; use / instead"},
		{"a backslash instead of a slash", `https://example.com\hook`, "has a backslash in or after its host; use / instead"},

		{"a user", "https://user@example.com/", "user name or password"},
		{"a user and a password", "https://user:pass@example.com/", "user name or password"},
		{"an empty user", "https://@example.com/", "user name or password"},
		{"an empty user and password", "https://:@example.com/", "user name or password"},
		{"two @: the last counts", "https://example.com@evil.example@127.0.0.1/", "user name or password"},

		{"port 0", "http://example.com:0/", "port 0"},
		{"port 65536", "http://example.com:65536/", "port 65536"},
		{"a port that overflows", "http://example.com:99999999999999999999/", "port 9999"},
		{"a negative port", "http://example.com:-1/", "port"},
		{"a port with a sign", "http://example.com:+80/", "port"},
		{"a port by name", "http://example.com:http/", "port"},
		{"a port of full-width digits", "http://example.com:８０/", `'８'`},
		{"a colon without a port", "http://example.com:/", "no port"},
		{"a colon without a port after an address", "http://[2001:db8::1]:", "no port"},
		{"two ports", "http://example.com:80:443/", "port"},

		{"a zone id", "http://[fe80::1%25eth0]/", "zone"},
		{"a zone id on a mapped address", "http://[::ffff:127.0.0.1%25lo]/", "zone"},
		{"a zone id that is not escaped", "http://[fe80::1%eth0]/", "not a URL"},
		{"an IPv6 address without brackets", "http://::1/", "not a URL"},
		{"a bracket that is not closed", "http://[::1/", "not a URL"},
		{"text after the bracket", "http://[::1]evil.example/", "not a URL"},
		{"an IPv4 address in brackets", "http://[127.0.0.1]/", "not a URL"},
		{"a name in brackets", "http://[example.com]/", "not a URL"},
		{"nothing in brackets", "http://[]/", "not a URL"},
		{"a future address", "http://[v1.x]/", "not a URL"},

		{"a newline", "https://example.com/\r\nX-Evil:1", "contains a line break; remove it"},
		{"a newline before", "\nhttps://example.com/", "begins with a line break; remove it"},
		{"a tab within the scheme", "java\tscript:alert(1)", "contains a tab; remove it"},
		{"a NUL byte", "https://example.com/\x00", "ends with the control character U+0000; remove it"},
		{"DEL", "https://example.com/\x7f", "ends with the control character U+007F; remove it"},
		{"a space in the path", "https://example.com/a b", "contains a space; write it as %20"},
		{"a space after", "https://example.com/ ", "ends with a space; remove it"},
		{"a no-break space", "https://example.com/\u00a0", "ends with the unusual space U+00A0"},
		{"a byte order mark", "\ufeffhttps://example.com/", "begins with a byte order mark (U+FEFF); remove it"},
		{"a right-to-left override", "https://example.com/\u202egnp.exe", "contains the invisible character U+202E; remove it"},
		{"bytes that are not UTF-8", "https://example.com/\xff", "not UTF-8"},

		{"an IDN, which the API converts before", "https://münchen.example/", "UTS 46"},
		{"full-width digits", "http://１２７．０．０．１/", "UTS 46"},
		{"digits in circles", "http://①②⑦.⓪.⓪.①/", "UTS 46"},
		{"ideographic full stops", "http://127。0。0。1/", "UTS 46"},
		{"a soft hyphen", "http://local\u00adhost/", "the invisible character U+00AD"},
		{"a zero-width space", "http://127.0.0.1\u200b/", "the invisible character U+200B"},
		{"an escaped letter in the host", "http://ex%61mple.com/", "not a URL"},
		{"an escaped byte outside ASCII in the host", "http://ex%e4mple.com/", "not a valid DNS name"},
		{"an escaped slash in the host", "http://example.com%2f@127.0.0.1/", "not"},
		{"an escaped percent in the host", "http://example%25com/", "not"},
		{"an escaped newline in the host", "http://example.com%0d%0a/", "not a URL"},

		{"a fragment", "https://example.com/#top", "fragment"},
		{"an empty fragment", "https://example.com/#", "fragment"},
		{"a fragment that hides a host", "http://example.com#@127.0.0.1/", "fragment"},

		{"an empty label", "https://example..com/", "not a valid DNS name"},
		{"a dot before", "https://.example.com/", "not a valid DNS name"},
		{"only a dot", "https://./", "not a valid DNS name"},
		{"two dots after", "https://example.com../", "not a valid DNS name"},
		{"a label of 64", "https://" + strings.Repeat("a", 64) + ".example/", "not a valid DNS name"},
		{"a name of 254", "https://" + strings.Repeat("a.", 126) + "aa/", "253"},
		{"a semicolon", "https://example.com;evil/", "not a valid DNS name"},
		{"a star", "https://*.example.com/", "not a valid DNS name"},
		{"an exclamation mark", "https://example!com/", "not a valid DNS name"},
		{"braces of a template", "https://{host}/", "host"},
		{"a broken escape in the path", "https://example.com/%zz", "not a URL"},
		{"a space in the host", "https://exa mple.com/", "contains a space before or in its host name; remove it"},
		{"a space before the host", "https:// example.com/", "contains a space before or in its host name; remove it"},
		{"a space before the port", "https://example.com :443/", "contains a space before or in its host name; remove it"},
		{"a command", "curl https://example.com/", "does not begin with a scheme"},
		{"a port by name", "https://example.com:https/", "invalid port"},
		{"only a host", "example.com", "does not begin with a scheme; put https:// or http:// before it"},
		{"a host and a port", "example.com:8443/hook", "does not begin with a scheme; put https://"},
		{"an address and a port", "10.0.0.1:80", "does not begin with a scheme; put https://"},
		{"an IPv6 address", "[2001:db8::1]/hook", "does not begin with a scheme; put https://"},
		{"a scheme typed wrongly", "htp://example.com/", `found the scheme "htp"`},
		{"another", "htttps://example.com/", `found the scheme "htttps"`},
		{"no letters before the colon", "://example.com/", "does not begin with a scheme"},
		{"a full stop instead of the colon", "https.//example.com/", "does not begin with a scheme"},
		{"no colon", "https//example.com/", "lacks the colon after its scheme"},
		{"no colon, in capitals", "HTTP//example.com/", "lacks the colon after its scheme"},
		{"the scheme twice", "https://https://example.com/", "has its scheme twice"},
		{"both schemes", "http://https://example.com/", "has its scheme twice"},
		{"encoded as a whole", "https%3A%2F%2Fexample.com%2Fhook", "is percent-encoded as a whole"},
		{"a backslash and a slash", `https:\/example.com/`, "has backslashes after its scheme"},
		{"one slash and a backslash", `https:/\example.com/`, "because // is missing"},
		{"in quotes", `"https://example.com/"`, "is in quotes; remove them"},
		{"in single quotes", `'https://example.com/'`, "is in quotes; remove them"},
		{"in quotes of a word processor", "“https://example.com/”", "is in quotes; remove them"},
		{"in backticks", "`https://example.com/`", "is in quotes; remove them"},
		{"in angle brackets", "<https://example.com/>", "is in angle brackets; remove them"},
		{"a quotation mark before", `"https://example.com/`, "begins with a quotation mark; remove it"},
		{"a line break at the end", "https://example.com/\n", "ends with a line break; remove it"},
		{"a Windows line break at the end", "https://example.com/\r\n", "ends with a line break; remove it"},
		{"a line separator after", "https://example.com/\u2028", "ends with a line break; remove it"},
		{"a next-line control after", "https://example.com/\u0085", "ends with a line break; remove it"},
		{"a tab after", "https://example.com/\t", "ends with a tab; remove it"},
		{"a byte order mark after", "https://example.com/\ufeff", "ends with a byte order mark (U+FEFF); remove it"},
		{"an ideographic space within", "https://example.com/a\u3000b", "contains the unusual space U+3000"},
		{"a word joiner within", "https://example.com/a\u2060b", "contains the invisible character U+2060; remove it"},
		{"an escape sequence of a terminal", "https://example.com/\x1b[0m", "contains the control character U+001B; remove it"},
		{"a letter outside ASCII in the path", "https://example.com/bücher", "contains the character 'ü' after its host; percent-encode it: %C3%BC"},
		{"one in the query", "https://example.com/?q=日", "percent-encode it: %E6%97%A5"},
		{"an emoji in the path", "https://example.com/🚀", "percent-encode it: %F0%9F%9A%80"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) { wantMessage(t, event.CheckTarget(tt.url), tt.want) })
	}
}

// A character that ends a pasted URL by mistake is refused only in a new subscription. A
// subscription that an earlier release accepted keeps working.
func TestCheckTargetEnd(t *testing.T) {
	for url, want := range map[string]string{
		`https://example.com/hook"`:  `ends with '"'`,
		"https://example.com/hook`":  "ends with '`'",
		"https://example.com/hook>":  "ends with '>'",
		"https://example.com/it's'":  "",
		"https://example.com/(hook)": "",
	} {
		got := checked(t, func(s *event.Subscription) { s.TargetURL = url })
		if len(got) > 1 || (len(got) == 1) != (want != "") || len(got) == 1 && !strings.Contains(got[0].Message, want) {
			t.Errorf("%s: got %v, want %q", url, got, want)
		}
		wantMessage(t, event.CheckTarget(url), "")
	}
}

// A refused URL may contain credentials, and the message is shown and logged.
func TestCheckTargetKeepsCredentials(t *testing.T) {
	for _, raw := range []string{
		"https://user:s3cret@example.com/",
		"https://s3cret@example.com/",
		"https://user:s3cret/x@example.com/",
		"https://user:s3cret?x@example.com/",
		"https://user:s3cret#x@example.com/",
		"https://user:s3cret@example.com:0/",
		"https://user:s3cret@@example.com/",
		"https://user:s3cret@exa mple.com/",
		"https://user:s3cret%zz@example.com/",
		"https://user:%zzs3cret@example.com/",
		"https://user:[s3cret@example.com/",
		"ftp://user:s3cret@example.com/",
		"user:s3cret@example.com",
	} {
		msg := event.CheckTarget(raw)
		if msg == "" || strings.Contains(msg, "s3cret") {
			t.Errorf("%q gave the message %q", raw, msg)
		}
	}
}

// FuzzCheckTarget checks that a request can be made for an accepted URL, and that it goes to the
// host that a reader of its text would name.
func FuzzCheckTarget(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/webhook", "http://[2001:db8::1]:8443/?a=b", "http://a@b:80/#c", "http://１２７.0.0.1/",
		"http://example.com:65536/", "http://[::1%25lo]/", "javascript:alert(1)", "http://a%2fb/", "http://a:80:80/", `http://a\b/`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if event.CheckTarget(raw) != "" {
			return
		}
		host, port := readHost(raw)
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("%q was accepted, but can't be parsed: %v", raw, err)
		}
		if u.Hostname() != host || u.Port() != port {
			t.Fatalf("%q is parsed as host %q, port %q, but a reader sees %q and %q", raw, u.Hostname(), u.Port(), host, port)
		}
		if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
			t.Fatalf("%q was accepted with the port %q", raw, port)
		}
		req, err := http.NewRequest(http.MethodPost, raw, nil)
		if err != nil {
			t.Fatalf("%q was accepted, but no request can be made: %v", raw, err)
		}
		if req.URL.Hostname() != host || req.URL.User != nil || req.URL.Fragment != "" {
			t.Fatalf("the request for %q goes to %v", raw, req.URL)
		}
		again, err := url.Parse(req.URL.String())
		if err != nil || again.Hostname() != host || again.Port() != port {
			t.Fatalf("%q is encoded again as %q: %v", raw, req.URL, err)
		}
	})
}

// readHost reads the host and port from the text alone.
func readHost(raw string) (host, port string) {
	_, rest, _ := strings.Cut(raw, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	if address, after, found := strings.Cut(rest, "]"); found {
		return strings.TrimPrefix(address, "["), strings.TrimPrefix(after, ":")
	}
	host, port, _ = strings.Cut(rest, ":")
	return host, port
}

func TestPortRange(t *testing.T) {
	one, many := event.PortRange{First: 443, Last: 443}, event.PortRange{First: 1024, Last: 65535}
	for port, want := range map[uint16]bool{442: false, 443: true, 444: false} {
		if one.Contains(port) != want {
			t.Errorf("%v contains %d: %v", one, port, !want)
		}
	}
	for port, want := range map[uint16]bool{0: false, 1023: false, 1024: true, 65535: true} {
		if many.Contains(port) != want {
			t.Errorf("%v contains %d: %v", many, port, !want)
		}
	}
	if one.String() != "443" || many.String() != "1024-65535" {
		t.Errorf("they are written %v and %v", one, many)
	}
}
