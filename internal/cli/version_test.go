package cli

import (
	"bytes"
	"regexp"
	"runtime/debug"
	"testing"
)

const revision = "65f631b629793610aed03b647a427c449fba955c"

func stamped(version string, settings ...string) *debug.BuildInfo {
	info := &debug.BuildInfo{Main: debug.Module{Version: version}}
	for i := 0; i < len(settings); i += 2 {
		info.Settings = append(info.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
	}
	return info
}

func TestSource(t *testing.T) {
	for _, c := range []struct {
		why  string
		info *debug.BuildInfo
		want string
	}{
		{
			"go build in a clone", stamped("(devel)", "vcs", "git", "vcs.revision", revision, "vcs.time", "2026-11-28T08:28:52Z", "vcs.modified", "false"),
			"commit " + revision + " of 2026-11-28T08:28:52Z",
		},
		{
			"the stamp counts more than the module's version", stamped("v0.2.0", "vcs.revision", revision, "vcs.time", "2026-11-28T08:28:52Z"),
			"commit " + revision + " of 2026-11-28T08:28:52Z",
		},
		{
			"go build in a clone with changes", stamped("", "vcs.revision", revision, "vcs.time", "2026-11-28T08:28:52Z", "vcs.modified", "true"),
			"commit " + revision + " of 2026-11-28T08:28:52Z with local changes",
		},
		{"go install of a commit before the first tag", stamped("v0.0.0-20261128082852-65f631b62979"), "commit 65f631b62979 of 2026-11-28T08:28:52Z"},
		{"go install of a commit after a tag", stamped("v0.2.1-0.20261128082852-65f631b62979"), "commit 65f631b62979 of 2026-11-28T08:28:52Z"},
		{"go install of a commit after a pre-release", stamped("v0.2.0-rc.1.0.20261128082852-65f631b62979"), "commit 65f631b62979 of 2026-11-28T08:28:52Z"},
		{"a changed tree, known only by the module's version", stamped("v0.2.1-0.20261128082852-65f631b62979+dirty"), "commit 65f631b62979 of 2026-11-28T08:28:52Z with local changes"},
		{"go install of a release", stamped("v0.2.0"), "tag v0.2.0"},
		{"go install of a pre-release", stamped("v0.2.0-rc.1"), "tag v0.2.0-rc.1"},
		{"go build -buildvcs=false", stamped("(devel)"), "commit unknown (built without the repository's history)"},
		{"a build that recorded nothing", stamped(""), "commit unknown (built without the repository's history)"},
		{"a revision that is not a commit id", stamped("", "vcs.revision", "17"), "commit unknown (built without the repository's history)"},
	} {
		if got := describeSource(c.info); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}

func TestVersionCommand(t *testing.T) {
	var out bytes.Buffer
	if status := Run(t.Context(), []string{"version"}, nil, &out, &out); status != 0 {
		t.Fatalf("status %d: %s", status, &out)
	}
	want := regexp.MustCompile(`^hookferry ` + regexp.QuoteMeta(release) + `, (commit|tag) .+\ngo1\.\d+.*, \w+/\w+\n$`)
	if !want.MatchString(out.String()) {
		t.Errorf("version printed %q, want %v", &out, want)
	}
}
