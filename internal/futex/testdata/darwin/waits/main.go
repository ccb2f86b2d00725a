// Command waits refers to all of package futex, so that the linker keeps what it imports.
package main

import (
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
)

func main() {
	word := new(atomic.Uint32)
	var s futex.Sleeper
	s.Sleep(word, 0, time.Millisecond)
	s.Poke(word)
	futex.Wait(word, 0, time.Millisecond)
	futex.Wake(word, futex.All)
}
