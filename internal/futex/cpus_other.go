//go:build !linux

package futex

import "runtime"

func manyCPUs() bool { return runtime.NumCPU() > 1 }
