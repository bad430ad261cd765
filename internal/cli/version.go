package cli

import (
	"fmt"
	"regexp"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/app"
)

const release = app.Release

// builtFrom and builtAt are the commit and its time, if the linker sets them: for builds that do
// not see the repository, such as that of the image.
var builtFrom, builtAt string

// Version returns the release, with the commit of the build if it is known.
func Version() string {
	if c := commitOf(buildInfo()); c.id != "" {
		return release + "+" + c.id[:12]
	}
	return release
}

func newVersion(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit and the platform",
		Example: "  hookferry version",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(s.out, describeBuild(buildInfo()))
			return err
		},
	}
}

// describeBuild returns the two lines that `hookferry version` prints.
func describeBuild(info *debug.BuildInfo) string {
	return fmt.Sprintf("hookferry %s, %s\n%s, %s/%s\n", release, describeSource(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func describeSource(info *debug.BuildInfo) string {
	c := commitOf(info)
	switch {
	case c.id == "" && isTag.MatchString(info.Main.Version):
		return "tag " + info.Main.Version
	case c.id == "":
		return "commit unknown (built without the repository's history)"
	case c.date == "":
		return "commit " + c.id
	case c.modified:
		return "commit " + c.id + " of " + c.date + " with local changes"
	}
	return "commit " + c.id + " of " + c.date
}

// buildInfo returns what Go recorded in the binary. It is empty if Go recorded nothing.
func buildInfo() *debug.BuildInfo {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info
	}
	return &debug.BuildInfo{}
}

// commit is the commit that a binary was built from. The zero value is an unknown one.
type commit struct {
	id, date string
	modified bool // the tree had uncommitted changes
}

var (
	isTag = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

	// pseudoVersion ends the version that Go gives to a commit without a tag, which is all
	// that `go install …@COMMIT` records: v0.0.0-20260102030405-0123456789ab.
	pseudoVersion = regexp.MustCompile(`[-.](\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)-([0-9a-f]{12})(\+.*)?$`)
)

// commitOf reads the commit from the version-control stamp of `go build`, from the module's
// version after `go install`, or from the linker.
func commitOf(info *debug.BuildInfo) (c commit) {
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			c.id = s.Value
		case "vcs.time":
			c.date = s.Value
		case "vcs.modified":
			c.modified = s.Value == "true"
		}
	}
	if len(c.id) >= 12 {
		return c
	}
	if m := pseudoVersion.FindStringSubmatch(info.Main.Version); m != nil {
		return commit{id: m[7], date: fmt.Sprintf("%s-%s-%sT%s:%s:%sZ", m[1], m[2], m[3], m[4], m[5], m[6]), modified: m[8] == "+dirty"}
	}
	if len(builtFrom) >= 12 {
		return commit{id: builtFrom, date: builtAt}
	}
	return commit{}
}
