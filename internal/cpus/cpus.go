// Package cpus says how many CPUs this process may run on.
package cpus

import "runtime"

// Allowed is how many CPUs the process's affinity and its container's quota let it use, at least 1.
// It is what the runtime derives GOMAXPROCS from, whatever GOMAXPROCS is set to.
func Allowed() int { return max(1, allowed(runtime.NumCPU())) }
