package event_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/hookferry/hookferry/internal/event"
)

const secretText = "s3cret-t3xt"

// holders are values in which a secret may be printed.
func holders() map[string]any {
	secret := event.Secret(secretText)
	headers := event.Headers{"Authorization": secretText}
	s := event.Subscription{Secrets: []event.Secret{secret, secret}, Headers: headers}
	return map[string]any{
		"a secret":              secret,
		"a pointer":             &secret,
		"a list":                []event.Secret{secret},
		"an array":              [1]event.Secret{secret},
		"a value of a map":      map[string]event.Secret{"a": secret},
		"a field":               struct{ Secret event.Secret }{secret},
		"an interface in a map": map[string]any{"a": secret},
		"headers":               headers,
		"headers in a field":    struct{ Headers event.Headers }{headers},
		"a subscription":        s,
		"a pointer to one":      &s,
		"a list of them":        []event.Subscription{s},
	}
}

// hides checks that the text does not contain the secret, in any spelling.
func hides(t *testing.T, how, text string) {
	t.Helper()
	for _, spelling := range []string{secretText, fmt.Sprintf("%x", secretText), fmt.Sprintf("%X", secretText), fmt.Sprintf("% x", secretText), secretText[:4]} {
		if strings.Contains(text, spelling) {
			t.Errorf("%s shows it: %s", how, text)
			return
		}
	}
}

func TestSecretHidesFromFmt(t *testing.T) {
	for what, v := range holders() {
		for _, verb := range []string{"v", "+v", "#v", "s", "q", "+q", "#q", "x", "X", "#x", " x", "20s", "-20v", ".3s", "d", "t", "c", "U", "o", "b", "e", "f", "g", "z"} {
			hides(t, "%"+verb+" of "+what, fmt.Sprintf("%"+verb, v))
		}
		hides(t, "Sprint of "+what, fmt.Sprint(v))
		hides(t, "Sprintln of "+what, fmt.Sprintln(v))
		hides(t, "an error about "+what, fmt.Errorf("with %v: %w", v, errors.New("x")).Error())
	}
}

func TestSecretHidesFromLogs(t *testing.T) {
	for what, v := range holders() {
		var out bytes.Buffer
		options := &slog.HandlerOptions{Level: slog.LevelDebug}
		for name, handler := range map[string]slog.Handler{"text": slog.NewTextHandler(&out, options), "JSON": slog.NewJSONHandler(&out, options)} {
			out.Reset()
			logger := slog.New(handler)
			logger.With("with", v).WithGroup("group").Info("message", "key", v, slog.Any("any", v), slog.Group("g", "key", v))
			if !strings.Contains(out.String(), "[hidden]") {
				t.Errorf("the %s log of %s does not say that a value is hidden: %s", name, what, &out)
			}
			hides(t, "the "+name+" log of "+what, out.String())
		}
		out.Reset()
		log.New(&out, "", 0).Print(v)
		hides(t, "the plain log of "+what, out.String())
	}
}

func TestSecretHidesFromEncodings(t *testing.T) {
	for what, v := range holders() {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		hides(t, "JSON of "+what, string(text))
		if text, err = jsonv2.Marshal(v, jsonv2.FormatNilSliceAsNull(true)); err == nil {
			hides(t, "JSON v2 of "+what, string(text))
		}
		var out strings.Builder
		if err := template.Must(template.New("").Parse(`{{.}}{{printf "%s %q" . .}}{{print .}}{{html .}}`)).Execute(&out, v); err != nil {
			t.Fatal(err)
		}
		hides(t, "a template with "+what, out.String())
	}
	text, err := xml.Marshal(event.Secret(secretText))
	if err != nil {
		t.Fatal(err)
	}
	hides(t, "XML", string(text))
}

func TestSecretHidesFromErrors(t *testing.T) {
	secret := event.Secret(secretText + strings.Repeat("x", event.MaxSecretBytes))
	s := event.Subscription{TargetURL: "bad", Secrets: []event.Secret{secret, ""}, Settings: event.Settings{Timeout: -1}}
	hides(t, "a refusal", s.Check(retention).Error())
	hides(t, "a refusal with its fields", fmt.Sprintf("%+v %#v", s.Check(retention), s.Check(retention)))
}

func TestSecretHidesFromPanics(t *testing.T) {
	defer func() { hides(t, "a panic", fmt.Sprint(recover())) }()
	panic(event.Secret(secretText))
}

func TestSecretIsThereOnPurpose(t *testing.T) {
	if got := string(event.Secret(secretText)); got != secretText {
		t.Errorf("got %q", got)
	}
}
