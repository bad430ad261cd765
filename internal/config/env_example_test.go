package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const (
	envExample      = "../../.env.example"
	envExampleBegin = "# Settings of Hookferry, each at its default (made by `make generate`)\n"
)

// TestEnvExampleDocumentsTheSettings compares .env.example with the declarations: each setting
// appears once, with its meaning and its default.
func TestEnvExampleDocumentsTheSettings(t *testing.T) {
	before, settings, found := strings.Cut(readEnvExample(t), envExampleBegin)
	if !found {
		t.Fatalf("%s lacks the line %q", envExample, envExampleBegin)
	}
	if settings == exampleOfSettings() {
		return
	}
	if !*update {
		t.Fatalf("%s: the settings differ from the code: run `make generate`", envExample)
	}
	if err := os.WriteFile(envExample, []byte(before+envExampleBegin+exampleOfSettings()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// exampleOfSettings returns a comment and a commented-out line for each setting.
func exampleOfSettings() string {
	var b strings.Builder
	for _, d := range declarations(&Config{}) {
		fmt.Fprintf(&b, "\n# %s", plain(d.meaning))
		if d.defMeaning != "" {
			fmt.Fprintf(&b, " Default: %s.", plain(d.defMeaning))
		}
		if d.value.allowed != "" {
			fmt.Fprintf(&b, " Allowed: %s.", d.value.allowed)
		}
		if d.secret {
			fmt.Fprintf(&b, " %s_FILE can name a file that holds it.", d.name)
		}
		fmt.Fprintf(&b, "\n#%s=%s\n", d.name, d.def)
	}
	return b.String()
}

// TestEnvExampleChangesNothing loads the file as it is, and with all lines active: neither may be
// refused, and both must result in the defaults.
func TestEnvExampleChangesNothing(t *testing.T) {
	text := readEnvExample(t)
	inForce := regexp.MustCompile(`(?m)^#([A-Z][A-Z0-9_]*=)`).ReplaceAllString(text, "$1")
	if text == inForce {
		t.Fatal("nothing is commented out: is this the right file?")
	}
	want := mustLoad(t, nil, Overrides{})
	for _, c := range []struct{ reason, text string }{
		{"an unchanged copy", text},
		{"with all lines active", inForce},
	} {
		got, err := Load(nil, write(t, ".env", c.text), Overrides{})
		if err != nil {
			t.Errorf("%s: %v", c.reason, err)
			continue
		}
		got.origins, want.origins = nil, nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.reason, got, want)
		}
	}
}

// TestEnvExampleHasWhatComposeAsksFor: the example contains the variables that compose.yaml takes
// from .env, and otherwise only settings.
func TestEnvExampleHasWhatComposeAsksFor(t *testing.T) {
	compose, err := os.ReadFile("../../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, found := range regexp.MustCompile(`\$\{([A-Z0-9_]+)`).FindAllStringSubmatch(string(compose), -1) {
		asked[found[1]] = true
	}
	settings := map[string]bool{}
	for _, d := range declarations(&Config{}) {
		settings[d.name] = true
	}
	listed := map[string]int{}
	for _, found := range regexp.MustCompile(`(?m)^#?([A-Za-z0-9_]+)=`).FindAllStringSubmatch(readEnvExample(t), -1) {
		name := found[1]
		listed[name]++
		if !settings[name] && !asked[name] {
			t.Errorf("%s has %s, which neither Hookferry nor compose.yaml knows", envExample, name)
		}
	}
	for name := range asked {
		if listed[name] == 0 {
			t.Errorf("compose.yaml takes %s from .env, and %s lacks it", name, envExample)
		}
	}
	for name, n := range listed {
		if n != 1 {
			t.Errorf("%s has %s %d times", envExample, name, n)
		}
	}
}

func readEnvExample(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(envExample)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
