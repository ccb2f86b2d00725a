//go:build linux || darwin

package proc

import "syscall"

func rlimitOf(l limit) *syscall.Rlimit { return &syscall.Rlimit{Cur: l.soft, Max: l.hard} }
