package childproc

import (
	"fmt"
	"os"
)

// Server is a server for tests.
type Server interface {
	// Remove stops the server and deletes its files.
	Remove()
}

// RunTests starts a server, runs the tests with it and removes it. It returns the exit status for
// TestMain.
func RunTests[S Server](tests interface{ Run() int }, start func() (S, error), use func(S) error) int {
	s, err := start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Remove()
	if err := use(s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return tests.Run()
}
