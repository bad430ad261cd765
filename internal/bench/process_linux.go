package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// measurable says whether usageOf works.
const measurable = true

// tick is the unit of /proc/PID/stat. It is 100 Hz on every platform that Go supports.
const tick = 10 * time.Millisecond

// usageOf returns the usage of a process and its children, or the zero value if there is no such
// process.
func usageOf(pid int) usage {
	u := usageOfOne(pid)
	for _, child := range children(pid) {
		below := usageOf(child)
		u.cpu += below.cpu
		u.rss += below.rss
	}
	return u
}

// usageOfOne reads /proc/PID/stat: user and system time, also of ended children, and memory.
func usageOfOne(pid int) usage {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from the third field on
	if len(fields) < 22 {
		return usage{}
	}
	ticks := 0
	for _, f := range fields[11:15] {
		n, _ := strconv.Atoi(f)
		ticks += n
	}
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	return usage{time.Duration(ticks) * tick, pages * int64(os.Getpagesize())}
}

// children returns the processes that any thread of the process has started.
func children(pid int) (pids []int) {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range threads {
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		for _, f := range strings.Fields(string(list)) {
			if child, err := strconv.Atoi(f); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// ownUsage returns the usage of this process.
func ownUsage() usage {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return usage{}
	}
	return usage{cpu: time.Duration(r.Utime.Nano() + r.Stime.Nano())}
}

// dieWithParent makes the kernel kill a child when the thread that started it ends.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
