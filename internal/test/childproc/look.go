package childproc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// CPU returns the CPU time of a process, including its ended children. It returns 0 if there is no
// such process, or no /proc.
func CPU(pid int) time.Duration {
	fields := stat(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if len(fields) < 15 {
		return 0
	}
	ticks := 0
	for _, field := range fields[11:15] { // user and system time of the process and its children
		n, _ := strconv.Atoi(field)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 on all platforms
}

// Children returns the children of a process. It reads /proc if it exists, because a small
// container has no ps.
func Children(pid int) []int {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	if len(paths) == 0 {
		out, _ := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
		return childrenOf(pid, strings.Split(string(out), "\n"))
	}
	var lines []string
	for _, path := range paths {
		if fields := stat(path); len(fields) > 1 {
			lines = append(lines, filepath.Base(filepath.Dir(path))+" "+fields[1])
		}
	}
	return childrenOf(pid, lines)
}

// childrenOf parses lines of a process id and its parent's id.
func childrenOf(pid int, lines []string) []int {
	var pids []int
	for _, line := range lines {
		var child, parent int
		if _, err := fmt.Sscan(line, &child, &parent); err == nil && parent == pid {
			pids = append(pids, child)
		}
	}
	return pids
}

// stat returns the fields of a /proc stat file after the name, which may contain anything. It
// returns none for a process that has ended.
func stat(path string) []string {
	text, _ := os.ReadFile(path)
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
}
