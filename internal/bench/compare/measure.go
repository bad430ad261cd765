package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/bench"
	"github.com/hookferry/hookferry/internal/test/pgtest"
)

// machine runs the builds.
type machine struct {
	old, new string // the programs
	duration string
	postgres *pgtest.Server
}

// reaping is how long PostgreSQL takes to notice that connections have ended. Only then does the
// CPU time of their processes count as PostgreSQL's; before, it would look like that of other
// processes.
const reaping = time.Second

func (m *machine) program(which build) string {
	if which == oldBuild {
		return m.old
	}
	return m.new
}

func (m *machine) onSQLite(ctx context.Context, program string) (result, error) {
	return m.bench(ctx, program, nil)
}

func (m *machine) onPostgres(ctx context.Context, program string) (result, error) {
	database, err := m.postgres.Create(ctx, "")
	if err != nil {
		return result{}, err
	}
	defer m.postgres.Drop(context.WithoutCancel(ctx), database)
	return m.bench(ctx, program, []string{"DATABASE_URL=" + m.postgres.URL(database)}, "--pid", fmt.Sprintf("postgres=%d", m.postgres.Pid()))
}

// bench runs `hookferry bench` once. CPU time that the bench, the service and PostgreSQL did not
// use was used by other processes.
func (m *machine) bench(ctx context.Context, program string, env []string, args ...string) (result, error) {
	cmd := exec.CommandContext(ctx, m.new, append([]string{"bench", "--json", "--program", program, "--duration", m.duration}, args...)...)
	cmd.Env = append(withoutStores(os.Environ()), append(env, "LOG_LEVEL=WARN")...)
	var said bytes.Buffer
	cmd.Stderr = &said
	begun, all, server := time.Now(), busyTime(), m.postgres.CPU()
	text, err := cmd.Output()
	if err != nil {
		return result{}, fmt.Errorf("hookferry bench of %s: %w\n%s", program, err, said.Bytes())
	}
	took := time.Since(begun)
	time.Sleep(reaping)
	ours := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() + m.postgres.CPU() - server
	others := max(busyTime()-all-ours, 0)
	var report bench.Report
	if err := json.Unmarshal(text, &report); err != nil {
		return result{}, err
	}
	f := report.Contestants[0].Runs[0]
	if f.Lost > 0 || f.Delivered == 0 || f.CPU() == 0 {
		return result{}, fmt.Errorf("hookferry bench of %s: %d delivered, %d lost, %.1f µs per delivery: nothing to compare", program, f.Delivered, f.Lost, f.CPU())
	}
	return result{cpu: f.CPU(), rate: f.DeliveredRate, others: float64(others) / float64(took) / float64(runtime.NumCPU())}, nil
}

// withoutStores returns the environment without settings that select a database.
func withoutStores(env []string) []string {
	return slices.DeleteFunc(env, func(e string) bool {
		return strings.HasPrefix(e, "DATABASE_") || strings.HasPrefix(e, "REDIS_URL=")
	})
}

// busyTime returns the CPU time of all processes since the system started, or 0 without /proc.
func busyTime() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	return parseBusy(string(text))
}

// parseBusy adds up all states in the first line of /proc/stat except idle and iowait. The time of
// guests, which comes last, is already included in that of users.
func parseBusy(text string) time.Duration {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	ticks := 0
	for i := 1; i < min(len(fields), 9); i++ {
		if i != 4 && i != 5 { // idle and iowait
			n, _ := strconv.Atoi(fields[i])
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 on all platforms
}
