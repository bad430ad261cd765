package faults

import (
	"syscall"
	"testing"
	"unsafe"
)

// limit sets a soft limit of a running process, and returns the previous one. A parent may lower
// the limit of its child, and raise it again up to the hard limit.
func limit(t *testing.T, pid, resource int, to uint64) (before uint64) {
	t.Helper()
	var now syscall.Rlimit
	prlimit(t, pid, resource, nil, &now)
	before, now.Cur = now.Cur, min(to, now.Max)
	prlimit(t, pid, resource, &now, nil)
	return before
}

func prlimit(t *testing.T, pid, resource int, set, get *syscall.Rlimit) {
	t.Helper()
	_, _, err := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), uintptr(resource),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), 0, 0)
	if err != 0 {
		t.Fatalf("change a limit of process %d: %v", pid, err)
	}
}
