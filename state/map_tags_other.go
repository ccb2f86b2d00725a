//go:build !amd64 || interleave

package state

// candidates are the slots of those that are live whose key may be the one with that tag.
func (b *bucket) candidates(live, tag uint64) uint64 { return b.candidatesByWord(live, tag) }
