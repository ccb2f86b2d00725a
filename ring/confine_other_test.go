//go:build !linux

package ring_test

// Without affinity a process is confined by having one processor, if at all.
func confine() error { return nil }
