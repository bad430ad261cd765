package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/app"
)

const release = app.Release

// commit is set by the linker for builds without the repository, such as that of the image.
var commit string

// Version is the release, with the commit it was built from where that is known.
func Version() string {
	revision := commit
	if info, ok := debug.ReadBuildInfo(); ok && revision == "" {
		revision = setting(info, "vcs.revision")
	}
	if len(revision) < 12 {
		return release
	}
	return release + "+" + revision[:12]
}

// setting is a setting of the build, or "".
func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

func newVersion(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  hookferry version",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(s.out, "hookferry %s (%s, %s/%s)\n", Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
