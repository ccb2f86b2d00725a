// Package proctest is for tests that start processes.
package proctest

import (
	"fmt"
	"os"

	"go.uber.org/goleak"

	"github.com/kindred-ipc/kindred/proc"
)

// Main is the TestMain of a package whose tests start processes: children run their functions, and
// when all tests of the parent have passed, goroutines that are left make it fail.
func Main(m interface{ Run() int }) {
	// A child under the race detector sleeps for a second before it exits.
	if os.Getenv("GORACE") == "" {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	proc.TestMain(leakless{m})
}

type leakless struct{ m interface{ Run() int } }

func (l leakless) Run() int {
	code := l.m.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "left after all tests:", err)
		return 1
	}
	return 0
}
