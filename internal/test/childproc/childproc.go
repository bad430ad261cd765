// Package childproc starts the servers that tests need as child processes. It sets their arguments,
// directory, environment and user, keeps their output, and sends them signals. If the kernel
// supports it, a child is killed when the tests end, even if they crash.
//
// It knows no particular server, and does not wait until one is ready: see pgtest and redistest.
//
// Start with Start.
package childproc

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// Command describes the process to start.
type Command struct {
	Path string
	Args []string // without the name of the program
	Dir  string   // "" for the current directory
	// Env has the form "NAME=value"; nil for the environment of the tests.
	Env []string
	// As is the user to run as; nil for the current user.
	As *syscall.Credential
	// Output gets the process's standard output and standard error, in order, from one goroutine;
	// it may be nil. It must neither block nor fail, because the process could then print nothing
	// more.
	Output io.Writer
	// WithParent is the signal to the process when the tests end; SIGKILL if 0.
	WithParent syscall.Signal
}

// Process is a process that was started. Its methods are safe for concurrent use, also after its
// end.
type Process struct {
	cmd   *exec.Cmd
	tail  tail
	ended chan struct{} // closed at the end of the process
	err   error         // read after ended is closed
}

// Start starts a process in its own process group, so that a Ctrl-C in the terminal reaches only
// the tests.
func Start(c Command) (*Process, error) {
	p := &Process{cmd: exec.Command(c.Path, c.Args...), ended: make(chan struct{})}
	out := io.Writer(&p.tail)
	if c.Output != nil {
		out = io.MultiWriter(&p.tail, c.Output)
	}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = c.Dir, c.Env, out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.As, Setpgid: true}
	if c.WithParent == 0 {
		c.WithParent = syscall.SIGKILL
	}
	endWithParent(p.cmd.SysProcAttr, c.WithParent)
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(c.Path), err)
	}
	return p, nil
}

func (p *Process) run(started chan<- error) {
	// The kernel watches the thread that started the process, so this thread must stay alive.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	close(p.ended)
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output returns the last 64 KiB of the output.
func (p *Process) Output() string { return p.tail.String() }

// Ended returns a channel that is closed when the process has ended and nothing can print any more:
// processes that it started share its output, and must have ended too.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Wait waits until Ended is closed. It returns nil for exit status 0, and otherwise the error of
// exec.Cmd.Wait: an *exec.ExitError contains the status or the signal.
func (p *Process) Wait() error {
	<-p.ended
	return p.err
}

// Signal sends a signal. It does nothing if the process has ended.
func (p *Process) Signal(sig os.Signal) { _ = p.cmd.Process.Signal(sig) }

// Kill kills the process, even if it is frozen, and waits for its end.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// Freeze stops the process wherever it is: it does not respond, and its connections stay open. Thaw
// ends that.
func (p *Process) Freeze() { p.Signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (p *Process) Thaw() { p.Signal(syscall.SIGCONT) }
