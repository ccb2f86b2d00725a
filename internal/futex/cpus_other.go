//go:build !linux

package futex

import "runtime"

func yield() bool { return false }

func cpus() int { return runtime.NumCPU() }
