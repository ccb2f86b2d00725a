//go:build !amd64 || race || interleave

package futex

import "github.com/kindred-ipc/kindred/internal/word"

// PrefetchWrite has the CPU fetch the line of w, where that is of use.
func PrefetchWrite(*word.Uint64) {}
