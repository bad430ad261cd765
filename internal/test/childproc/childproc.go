// Package childproc starts the servers that tests need, as processes of their own:
// with arguments, a directory, an environment and a user, their output kept, and
// with signals, a freeze and a kill. Where the kernel can, a child ends along with
// the tests, whatever becomes of them.
//
// It knows no server in particular, and it doesn't wait until one is ready: see
// pgtest and redistest. It is for tests only.
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

// Command says what to start, and how.
type Command struct {
	Path string
	Args []string // without the name of the program
	Dir  string   // "" is the present one
	// Env is "NAME=value" each; nil is the environment of the tests.
	Env []string
	// As is the user to run as; nil is the tests' own.
	As *syscall.Credential
	// Output is given what the process prints, standard output and standard error in
	// the order they come, from one goroutine; nil is nobody. It must neither block
	// nor fail, or the process can't print any more.
	Output io.Writer
	// WithParent is what the process gets when the tests end; 0 is SIGKILL.
	WithParent syscall.Signal
}

// Process is one that was started. Its methods may be called from any goroutine, and
// after its end, too.
type Process struct {
	cmd   *exec.Cmd
	tail  tail
	ended chan struct{} // closed when it has ended
	err   error         // read after that
}

// Start starts a process in a process group of its own, so that a Ctrl-C in the
// terminal is for the tests alone.
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
	// The kernel watches the thread that started the process, so that one must live on.
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

// Pid is its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output is what it has printed, the last 64 KiB of it.
func (p *Process) Output() string { return p.tail.String() }

// Ended is closed when the process has ended and nobody can print any more: what
// it started itself has the same output, and must have ended too.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Wait waits for that. It returns nil for exit status 0, and otherwise what
// exec.Cmd.Wait does: an *exec.ExitError knows the status or the signal.
func (p *Process) Wait() error {
	<-p.ended
	return p.err
}

// Signal sends a signal; a process that has ended gets none.
func (p *Process) Signal(sig os.Signal) { _ = p.cmd.Process.Signal(sig) }

// Kill ends the process at once, frozen or not, and waits for its end.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// Freeze stops the process in the middle of what it does: it answers nothing, and
// its connections stay open. Thaw ends that.
func (p *Process) Freeze() { p.Signal(syscall.SIGSTOP) }

// Thaw is the end of Freeze.
func (p *Process) Thaw() { p.Signal(syscall.SIGCONT) }
