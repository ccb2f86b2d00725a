//go:build !linux

package linear

import "time"

func sleep(d time.Duration) { time.Sleep(d) }
