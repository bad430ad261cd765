//go:build !linux && !darwin

package sqlite

// freeSpace can't tell on this system. A write will fail instead.
func freeSpace(string) (n int64, known bool) { return 0, false }
