package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestDemoArguments(t *testing.T) {
	for _, test := range []struct {
		reason string
		args   []string
	}{
		{"too few to show anything", []string{"demo", "--events", "19"}},
		{"too many events", []string{"demo", "--events", "20001"}},
		{"not a number", []string{"demo", "--events", "many"}},
		{"an argument it does not take", []string{"demo", "now"}},
	} {
		var out, errOut bytes.Buffer
		if code := Run(t.Context(), test.args, strings.NewReader(""), &out, &errOut); code != 2 {
			t.Errorf("%s: exit status %d\n%s%s", test.reason, code, &out, &errOut)
		}
	}
}
