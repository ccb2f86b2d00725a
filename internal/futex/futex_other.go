//go:build !linux && !darwin

package futex

import (
	"sync/atomic"
	"time"
)

const supported = false

func wait(*atomic.Uint32, uint32, time.Duration) Outcome { return TimedOut }

func wake(*atomic.Uint32, int) int { return 0 }

func wakeOwn(*atomic.Uint32) {}
