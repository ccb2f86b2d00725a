//go:build amd64 && !race && !interleave

package futex

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/word"
)

// PrefetchWrite has the CPU fetch n lines that are written soon, and goes on: that of w, and of each stride bytes from there.
// n is at least 1.
func PrefetchWrite(w *word.Uint64, stride uintptr, n int) {
	prefetchWrite(unsafe.Pointer(w), stride, n)
}

//go:noescape
func prefetchWrite(p unsafe.Pointer, stride uintptr, n int)

// Prefetch has the CPU fetch n lines that are read soon, and goes on: that of w, and those that follow. n is at least 1.
//
//go:noescape
func Prefetch(w *word.Uint64, n int)
