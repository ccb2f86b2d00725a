//go:build !linux

package pool

func systemOOM() oomCounter { return func() (uint64, bool, bool) { return 0, false, false } }
