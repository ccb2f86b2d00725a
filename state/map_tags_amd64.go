//go:build !interleave

package state

import (
	"golang.org/x/sys/cpu"

	"github.com/kindred-ipc/kindred/internal/word"
)

// likeTags has a bit for each slot whose tag is a claim, or is the wanted one, of which want has four. It loads 16 bytes at a time, of
// which the CPU loads each tag at once, behind what was loaded before, and needs SSSE3. It is few instructions, because all of them wait for
// the line: while they wait, and so do those of the next call, the CPU has room for so many, and then stops to look ahead.
//
//go:noescape
func likeTags(tags *[tagWords]word.Uint64, want uint64) uint64

// candidates are the slots of those that are live whose key may be the one with that tag.
func (b *bucket) candidates(live, tag uint64) uint64 {
	if !cpu.X86.HasSSSE3 {
		return b.candidatesByWord(live, tag)
	}
	return likeTags(&b.tags, tag*0x0001_0001_0001_0001) & live
}
