package api

import (
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

func TestCleanTarget(t *testing.T) {
	const trimmed = "target_url had white space around it"
	long := "https://bücher.example/" + strings.Repeat("x", event.MaxTargetURL)
	tests := []struct{ reason, raw, want, warning string }{
		{"nothing to do", "https://example.com/hook", "https://example.com/hook", ""},
		{"nothing at all", "", "", ""},
		{"only spaces: CheckTarget reports them", " \n", " \n", ""},
		{"a line end at the end", "https://example.com/hook\n", "https://example.com/hook", trimmed},
		{"a CRLF at the end", "https://example.com/hook\r\n", "https://example.com/hook", trimmed},
		{"spaces around it", "  https://example.com/hook\t ", "https://example.com/hook", trimmed},
		{"a space inside stays: CheckTarget reports it", "https://example.com/a b", "https://example.com/a b", ""},
		{"a byte order mark stays: CheckTarget reports it", "\ufeffhttps://example.com/", "\ufeffhttps://example.com/", ""},

		{"an umlaut", "http://bücher.example/", "http://xn--bcher-kva.example/", `"bücher.example"; it is stored and called as xn--bcher-kva.example`},
		{"an umlaut as two characters", "http://bu\u0308cher.example/", "http://xn--bcher-kva.example/", "xn--bcher-kva.example"},
		{"an umlaut in capitals", "http://BÜCHER.example/", "http://xn--bcher-kva.example/", "xn--bcher-kva.example"},
		{"a port, a path and a query", "https://bücher.example:8443/a%2Fb?q=%20#x", "https://xn--bcher-kva.example:8443/a%2Fb?q=%20#x", "xn--bcher-kva.example"},
		{"a query without a path", "https://bücher.example?q", "https://xn--bcher-kva.example?q", "xn--bcher-kva.example"},
		{"no path", "https://bücher.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"a sharp s stays a letter of its own", "http://straße.example/", "http://xn--strae-oqa.example/", "xn--strae-oqa.example"},
		{"Japanese", "https://例え.テスト/", "https://xn--r8jz45g.xn--zckzah/", "xn--r8jz45g.xn--zckzah"},
		{"Arabic, from right to left", "https://مثال.إختبار/", "https://xn--mgbh0fb.xn--kgbechtv/", "xn--mgbh0fb.xn--kgbechtv"},
		{"percent-encoded", "http://b%C3%BCcher.example/", "http://xn--bcher-kva.example/", "xn--bcher-kva.example"},
		{"converted already", "http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/", ""},
		{"an umlaut and a line end", "http://bücher.example/\n", "http://xn--bcher-kva.example/", trimmed},
		{"an ideographic full stop", "http://bücher。example/", "http://xn--bcher-kva.example/", "xn--bcher-kva.example"},
		{"full-width digits become an address", "http://１２７.0.0.1/", "http://127.0.0.1/", `"１２７.0.0.1"; it is stored and called as 127.0.0.1`},
		{"letters in circles", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "http://localhost/", "stored and called as localhost"},

		{"a soft hyphen", "http://local\u00adhost/", "http://local\u00adhost/", ""},
		{"a zero-width space", "http://bü\u200bcher.example/", "http://bü\u200bcher.example/", ""},
		{"a full-width slash, which would end the host", "http://example.com／.evil.example/", "http://example.com／.evil.example/", ""},
		{"a full-width question mark, which would end the host", "http://example.com？.evil.example/", "http://example.com？.evil.example/", ""},
		{"a full-width at sign", "http://a＠evil.example/", "http://a＠evil.example/", ""},
		{"a full-width colon", "http://evil.example：80/", "http://evil.example：80/", ""},
		{"a symbol", "http://a≠b.example/", "http://a≠b.example/", ""},
		{"a label that is too long: CheckTarget reports it", "http://" + strings.Repeat("ü", 63) + ".example/", "http://xn--td" + strings.Repeat("a", 63) + ".example/", "xn--td"},
		{"a combining mark before any letter", "http://\u0308a.example/", "http://\u0308a.example/", ""},
		{"a user", "http://ü@bücher.example/", "http://ü@bücher.example/", ""},
		{"a port of full-width digits", "http://bücher.example:８０/", "http://bücher.example:８０/", ""},
		{"outside the host", "http://example.com/bücher", "http://example.com/bücher", ""},
		{"longer than any target may be", long, long, ""},
	}
	for _, tt := range tests {
		got, warnings := cleanTarget(tt.raw)
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.reason, got, tt.want)
		}
		if all := strings.Join(warnings, "; "); (all == "") != (tt.warning == "") || !strings.Contains(all, tt.warning) {
			t.Errorf("%s: warns %q, want %q", tt.reason, all, tt.warning)
		}
		if again, _ := cleanTarget(got); again != got {
			t.Errorf("%s: cleaned twice it is %q", tt.reason, again)
		}
	}
}

// A converted URL is shown, stored, and recognized when it is sent back.
func TestAnInternationalHostIsShownAsItIsCalled(t *testing.T) {
	s := newServer(t)
	r := s.want(201, s.do("POST", "/subscriptions/", `{"target_url": " http://bücher.example/hook\n"}`))
	const want = "http://xn--bcher-kva.example/hook"
	if r.json["target_url"] != want || s.memory.subscriptions[0].TargetURL != want || len(r.json["warnings"].([]any)) != 2 {
		t.Errorf("responds with %s", r.text)
	}
	r = s.want(200, s.do("PUT", "/subscriptions/"+r.json["id"].(string), r.text))
	if _, warned := r.json["warnings"]; r.json["target_url"] != want || warned {
		t.Errorf("sent back: %s", r.text)
	}
}
