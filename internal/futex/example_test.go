package futex_test

import (
	"fmt"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/futex"
)

// A waiter announces itself before its last look; a signaller looks for waiters after it has made
// the condition true.
func ExampleEvent() {
	var event futex.Event
	var ready atomic.Bool
	go func() {
		ready.Store(true)
		event.Signal()
	}()
	var sleeper futex.Sleeper
	for !ready.Load() {
		seq := event.Announce()
		if ready.Load() {
			break
		}
		sleeper.Sleep(event.Word(), seq, -1)
	}
	fmt.Println("ready")
	// Output: ready
}
