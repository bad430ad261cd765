//go:build !linux

package bench

import "os/exec"

// measurable says whether usageOf works. It needs Linux's /proc.
const measurable = false

func usageOf(int) usage { return usage{} }

func ownUsage() usage { return usage{} }

func dieWithParent(*exec.Cmd) {}
