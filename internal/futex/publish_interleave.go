//go:build interleave

package futex

import "github.com/kindred-ipc/kindred/internal/word"

// Asymmetric: the model has store buffers, whatever the machine that it runs on.
const Asymmetric = true

// Publish is the last store of an operation.
func Publish(w *word.Uint64, v uint64) { w.Publish(v) }
