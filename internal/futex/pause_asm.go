//go:build amd64 || 386 || arm64

package futex

// pause tells the CPU that the caller polls: PAUSE on x86, ISB on arm64.
//
//go:noescape
func pause()
