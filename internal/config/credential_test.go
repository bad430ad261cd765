package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secretURLs contain a secret in one place each, next to a character that splits a URL. S stands
// for the scheme.
func secretURLs() map[string]string {
	urls := map[string]string{
		"a user":                        "S://SEKRET@127.0.0.1:1/0",
		"a user with a password":        "S://SEKRET:x@127.0.0.1:1/0",
		"a password alone":              "S://:SEKRET@127.0.0.1:1/0",
		"a password":                    "S://u:SEKRET@127.0.0.1:1/0",
		"what looks like a host":        "S://u:p@SEKRET@127.0.0.1:1/0",
		"a host and a port":             "S://u:p@SEKRET:99@127.0.0.1:1/0",
		"what looks like a path":        "S://u:p/SEKRET@127.0.0.1:1/0",
		"a port":                        "S://u:p/@127.0.0.1:SEKRET/0",
		"a fragment":                    "S://u:p@x#SEKRET@127.0.0.1:1/0",
		"a fragment at the end":         "S://u:p@127.0.0.1:1/0#SEKRET",
		"a query that begins too early": "S://u:p?SEKRET@127.0.0.1:1/0",
		"a bad escape":                  "S://u:p@SEKRET#w%rd@127.0.0.1:1/hf",
		"a bad escape in a query":       "S://u@127.0.0.1:1/0?password=SEKRET%zz",
		"a semicolon in a query":        "S://u@127.0.0.1:1/0?password=a;SEKRET",
		"no host":                       "S://u:SEKRET@/0",
		"no scheme":                     "u:SEKRET@127.0.0.1:1/0",
		"half a scheme":                 "S:u:SEKRET@127.0.0.1:1/0",
		"a scheme":                      "SEKRET://u:p@127.0.0.1:1/0",
		"a password with ://":           "S://u:a://SEKRET@127.0.0.1:1/0",
		"IPv6 gone wrong":               "S://u:[SEKRET@127.0.0.1]:1/0",
		"a zone":                        "S://u:p@[::1%25SEKRET@]:1/0",
		"password=":                     "S://u@127.0.0.1:1/0?password=SEKRET",
		"sslpassword=":                  "S://u@127.0.0.1:1/0?sslpassword=SEKRET",
		"password= with an @":           "S://u@127.0.0.1:1/0?password=a@SEKRET",
		"a line end":                    "S://u:\nSEKRET@127.0.0.1:1/0",
		"keywords and values":           "host=127.0.0.1 port=1 user=u password='SEKRET'",
		"keywords with ://":             "host=127.0.0.1 password='a://SEKRET'",
		"nothing but the secret":        "SEKRET",
	}
	for _, sign := range `@/?#%[]:;,&=+ "'<>{}|\^` + "`é€\t\x00" {
		urls[fmt.Sprintf("a password with %q", sign)] = fmt.Sprintf("S://u:p%cSEKRET%cx@127.0.0.1:1/0", sign, sign)
	}
	return urls
}

// TestNoSettingRepeatsASecret: no sentence about a setting, and nothing that is shown of it,
// contains a part of the secret, wherever it is in the value.
func TestNoSettingRepeatsASecret(t *testing.T) {
	schemes := map[string][]string{
		"DATABASE_URL": {"postgres", "POSTGRESQL", "mysql"}, "DATABASE_READ_URL": {"postgres"}, "REDIS_URL": {"redis", "rediss", "http"},
		"HOOKFERRY_PROXY": {"http", "https", "socks5"}, "HOOKFERRY_MASTER_KEY": {"x"}, "HOOKFERRY_API_KEY": {"x"},
	}
	for _, d := range declarations(&Config{}) {
		if d.secret && schemes[d.name] == nil {
			t.Errorf("%s is secret, but was not tried", d.name)
		}
	}
	path := filepath.Join(t.TempDir(), "value")
	for name, all := range schemes {
		for why, url := range secretURLs() {
			for _, scheme := range all {
				text := strings.Replace(url, "S:", scheme+":", 1)
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				for _, variable := range []string{name + "=" + text, name + "_FILE=" + path, name + "_FILE=" + text} {
					if shown := whatIsShown(variable); strings.Contains(shown, "SEKRET") {
						t.Errorf("%s: %s gives %s", why, variable, shown)
					}
				}
			}
		}
	}
}

// whatIsShown returns everything that a person sees of a setting.
func whatIsShown(variable string) string {
	environ := []string{variable}
	if !strings.HasPrefix(variable, "DATABASE_URL") {
		environ = append(environ, "DATABASE_URL=postgres://db/x")
	}
	_, conflict := Load(environ, "", Overrides{Data: "x"}) // which shows the database
	c, err := Load(environ, "", Overrides{})
	shown := fmt.Sprint(conflict, err)
	for _, s := range c.Describe() {
		shown += s.Value
	}
	return shown + fmt.Sprintf("%v %+v %v", c.Database, c.Redis, c.Proxy)
}
