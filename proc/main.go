package proc

import (
	"os"
	"sync/atomic"
)

// mainCalled says that this process has called Main: it is no child, or one that knows that it is,
// and may start children.
var mainCalled atomic.Bool

// Main makes the program its own child. Call it first in main(), before flags are parsed: in a
// process that Start started it runs the function and exits. In any other process it returns at
// once, and so does any further call.
//
// A child has its program's name in os.Args, and no more arguments.
func Main() {
	if !mainCalled.CompareAndSwap(false, true) {
		return
	}
	value, found := os.LookupEnv(childVariable)
	if !found {
		return
	}
	// Cleared even if it turns out to be stale, and before any other code runs: the child's own
	// children are not this child.
	_ = os.Unsetenv(childVariable)
	if c := claim(value); c != nil {
		os.Exit(c.main())
	}
}

// TestMain is what a test binary that starts processes calls from its own TestMain, with its
// *testing.M: it calls Main, then runs the tests, and exits.
//
//	func TestMain(m *testing.M) { proc.TestMain(m) }
func TestMain(m interface{ Run() int }) {
	Main()
	os.Exit(m.Run())
}

// Info is what a process knows of itself.
type Info struct {
	Name     string // of the process, as in Process.Name
	Function string // that it runs
	Pid      int
	Parent   int // pid of the process that started it
}

// current is set once, by Main in a child.
var current atomic.Pointer[Info]

// Current describes the calling process. In one that Start did not start, Name and Function are
// empty.
func Current() Info {
	if info := current.Load(); info != nil {
		return *info
	}
	return Info{Pid: os.Getpid(), Parent: os.Getppid()}
}
