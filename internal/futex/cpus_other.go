//go:build !linux

package futex

import "runtime"

func yield() bool { return false }

func manyCPUs() bool { return runtime.NumCPU() > 1 }
