//go:build interleave

package ring

import "github.com/kindred-ipc/kindred/internal/word"

// Remembers: see Writer.

func (w *BroadcastWriter[T]) Remembers() []uint64 {
	return []uint64{w.pos, w.lap, w.limit.Load(), w.mine, w.last, w.gave, word.Bit(w.keep), uint64(w.runs)}
}

func (s *Subscriber[T]) Remembers() []uint64 { return []uint64{s.pos, s.index, s.next.Load()} }
