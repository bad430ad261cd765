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

// reaping is the time in which PostgreSQL notices that connections have ended. What their
// processes used counts as its own only then; before, it would look like that of others.
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

// bench runs `hookferry bench` once. Whatever the bench, the service and PostgreSQL did not use
// of the processors, others did.
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
		return result{}, fmt.Errorf("hookferry bench of %s: %d delivered, %d lost, %.1f µs a delivery: nothing to compare", program, f.Delivered, f.Lost, f.CPU())
	}
	return result{cpu: f.CPU(), rate: f.DeliveredRate, others: float64(others) / float64(took) / float64(runtime.NumCPU())}, nil
}

// withoutStores is the environment without what would have a service use another database.
func withoutStores(env []string) []string {
	return slices.DeleteFunc(env, func(e string) bool {
		return strings.HasPrefix(e, "DATABASE_") || strings.HasPrefix(e, "REDIS_URL=")
	})
}

// busyTime is what all processes have used of the processors since the system started; 0 where
// there is no /proc.
func busyTime() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	return parseBusy(string(text))
}

// parseBusy adds up all states in the first line of /proc/stat but idle and iowait. Guests' time, which
// comes last, is in that of users already.
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
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 everywhere
}
