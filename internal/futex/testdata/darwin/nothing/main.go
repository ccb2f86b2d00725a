// Command nothing is what a Go program imports by itself: package futex stands on no more of the
// standard library than this.
package main

import (
	"os"
	"sync"
	"time"
)

func main() {
	var once sync.Once
	once.Do(func() { time.Sleep(time.Millisecond) })
	os.Getenv("HOME")
}
