//go:build unix && !linux

package childproc

import "syscall"

func endWithParent(*syscall.SysProcAttr, syscall.Signal) {}
