package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Process is a process to measure, together with its children.
type Process struct {
	Name string
	Pid  int
}

// ParseProcess parses NAME=PID.
func ParseProcess(text string) (Process, error) {
	name, digits, _ := strings.Cut(text, "=")
	pid, err := strconv.Atoi(digits)
	if err != nil || pid < 1 || name == "" {
		return Process{}, fmt.Errorf("--pid is %q; write a name and a process id, like postgres=1234", text)
	}
	if _, err := os.FindProcess(pid); err != nil || usageOf(pid) == (usage{}) && measurable {
		return Process{}, fmt.Errorf("--pid is %q, but there is no process %d", text, pid)
	}
	return Process{name, pid}, nil
}

// usage is the CPU time of processes since they started, and their current memory.
type usage struct {
	cpu time.Duration
	rss int64 // in bytes; shared memory counts for each process
}

// Used is what a process and its children used during a phase.
type Used struct {
	Name string `json:"name"`
	// CPU is the CPU time, and PerDelivery the CPU time per delivery that arrived, in microseconds.
	// Both are 0 if the system has no /proc.
	CPU         time.Duration `json:"cpu_ns"`
	PerDelivery float64       `json:"cpu_us_per_delivery"`
	// Idle is the resident memory before the load, and Most the maximum during the load.
	Idle int64 `json:"rss_before_bytes"`
	Most int64 `json:"rss_most_bytes"`
}

// watch observes processes until end is called, which returns what they used.
func watch(processes []Process) (end func(deliveries int64) []Used) {
	used := make([]Used, len(processes))
	before := make([]usage, len(processes))
	for i, p := range processes {
		before[i] = usageOf(p.Pid)
		used[i] = Used{Name: p.Name, Idle: before[i].rss, Most: before[i].rss}
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(200 * time.Millisecond):
				for i, p := range processes {
					used[i].Most = max(used[i].Most, usageOf(p.Pid).rss)
				}
			}
		}
	}()
	return func(deliveries int64) []Used {
		cancel()
		<-stopped
		for i, p := range processes {
			now := usageOf(p.Pid)
			used[i].CPU = max(now.cpu-before[i].cpu, 0)
			used[i].Most = max(used[i].Most, now.rss)
			if deliveries > 0 {
				used[i].PerDelivery = float64(used[i].CPU.Nanoseconds()) / 1000 / float64(deliveries)
			}
		}
		return used
	}
}
