package pgtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// CPU is what the server and its connections have used of the processors, those
// that have ended included; 0 where there is no /proc.
func (s *Server) CPU() time.Duration {
	ticks := 0
	for _, pid := range append(children(s.process.pid), s.process.pid) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after)
		wanted := fields[11:13] // its own
		if pid == s.process.pid {
			wanted = fields[11:15] // and its children's that have ended
		}
		for _, field := range wanted {
			n, _ := strconv.Atoi(field)
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 everywhere
}
