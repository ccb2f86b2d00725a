//go:build !linux

package segment

import "time"

func threads() int { return 0 }

func cpuTime() time.Duration { return 0 }
