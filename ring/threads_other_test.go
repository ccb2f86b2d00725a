//go:build !linux

package ring_test

func threads() int { return 0 }
