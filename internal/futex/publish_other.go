//go:build (!amd64 || race) && !interleave

package futex

import "github.com/kindred-ipc/kindred/internal/word"

// Asymmetric is false where the atomic store is what publishing costs anyway (STLR on arm64): with
// the atomic load that follows it is sequentially consistent, and nobody need pay for a fence. It is
// false under the race detector, too, which takes no plain store for a synchronisation.
const Asymmetric = false

// Publish is the last store of an operation.
func Publish(w *word.Uint64, v uint64) { w.Store(v) }
