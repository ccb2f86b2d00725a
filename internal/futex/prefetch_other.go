//go:build !amd64 || race || interleave

package futex

import "github.com/kindred-ipc/kindred/internal/word"

// PrefetchWrite has the CPU fetch n lines that are written soon, where that is of use.
func PrefetchWrite(w *word.Uint64, stride uintptr, n int) {}

// Prefetch has the CPU fetch n lines that are read soon, where that is of use.
func Prefetch(w *word.Uint64, n int) {}
