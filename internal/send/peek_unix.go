//go:build unix

package send

import "syscall"

// peek reports what was received on a connection without reading it.
func peek(fd uintptr) state {
	var b [1]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	switch {
	case err == syscall.EAGAIN:
		return silent
	case n > 0:
		return dataPending
	}
	return ended
}
