package pgtest

import (
	"time"

	"github.com/hookferry/hookferry/internal/test/childproc"
)

// CPU is what the server and its connections have used of the processors, those
// that have ended included; 0 where there is no /proc.
func (s *Server) CPU() time.Duration {
	used := childproc.CPU(s.process.Pid())
	for _, pid := range childproc.Children(s.process.Pid()) {
		used += childproc.CPU(pid)
	}
	return used
}
