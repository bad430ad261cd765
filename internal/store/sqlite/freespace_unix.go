//go:build linux || darwin

package sqlite

import "syscall"

// freeSpace returns how many bytes can still be written to the file system of dir.
func freeSpace(dir string) (n int64, known bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
