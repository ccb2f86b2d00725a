//go:build amd64 && !race && !interleave

package futex

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/word"
)

// PrefetchWrite has the CPU fetch the line of w, which is written soon, and goes on.
func PrefetchWrite(w *word.Uint64) { prefetchWrite(unsafe.Pointer(w)) }

//go:noescape
func prefetchWrite(p unsafe.Pointer)
