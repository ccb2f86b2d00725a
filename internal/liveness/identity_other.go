//go:build !linux && !darwin

package liveness

import "os"

// Self is the identity of this process, of which its number alone is known here.
func Self() Identity { return Identity{Pid: uint32(os.Getpid())} }
