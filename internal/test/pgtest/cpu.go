package pgtest

import (
	"time"

	"github.com/hookferry/hookferry/internal/test/childproc"
)

// CPU returns the CPU time of the server and its connections, including ended ones, or 0 without
// /proc.
func (s *Server) CPU() time.Duration {
	used := childproc.CPU(s.process.Pid())
	for _, pid := range childproc.Children(s.process.Pid()) {
		used += childproc.CPU(pid)
	}
	return used
}
