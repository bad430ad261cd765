package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/test/childproc"
)

// If a file or a directory can't be written, the service exits and says who must own what. It runs
// as a user who may not write everywhere.
func TestFilesThatCantBeWritten(t *testing.T) {
	t.Parallel()
	unprivileged, err := childproc.Unprivileged("nobody")
	if err != nil {
		t.Fatal(err)
	}
	for why, modes := range map[string]struct{ dir, file os.FileMode }{
		"the directory":          {0o555, 0o666},
		"the file":               {0o777, 0o444},
		"the directory and file": {0o555, 0o444},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "hookferry-test-") // where others may look
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = os.Chmod(dir, 0o700)
				os.RemoveAll(dir)
			})
			serve(t, program, dir).stop()
			for _, name := range []string{"hookferry.db", "hookferry.db.lock"} {
				if err := os.Chmod(filepath.Join(dir, name), modes.file); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(dir, modes.dir); err != nil {
				t.Fatal(err)
			}
			s, ready := run(t, childproc.Command{Path: program, Dir: dir, As: unprivileged})
			if text := s.process.Output(); ready || !strings.Contains(text, "can't be written: the service's user must own both") {
				t.Errorf("ready is %v, and the output is\n%s", ready, text)
			}
		})
	}
}

// A second process of the service on the same file gets an error, and the first continues.
func TestTwoOnOneFile(t *testing.T) {
	t.Parallel()
	dir, l := t.TempDir(), newLedger(t)
	s := serve(t, program, dir)
	sub := s.subscribe(l.endpoint.URL)
	second, ready := launch(t, program, dir)
	if text := second.process.Output(); ready || !strings.Contains(text, "another hookferry process has") {
		t.Errorf("the second process: ready is %v, and the output is\n%s", ready, text)
	}
	l.posts(s, sub, 3)
	l.settle(s, 0)
	s.stop()
}
