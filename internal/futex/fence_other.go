//go:build !linux

package futex

// Without membarrier every publish is an exchange and every waiter may rely on it.

func register() {}

func registered() bool { return false }

func barrier() bool { return true }
