// Package cpus says how many CPUs this process may use.
package cpus

import "runtime"

// Allowed is how many CPUs the process may use, at least 1: those of its affinity when it started, or, if that is
// less, the smallest quota of its control group and of those above it that can be seen, rounded up. GOMAXPROCS does
// not count. The runtime's default of that is another: it is at least 2 under a quota, and knows nothing of the groups above.
func Allowed() int { return max(1, allowed(runtime.NumCPU())) }
