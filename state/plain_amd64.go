//go:build amd64 && !interleave && !race

package state

// plainWords is whether plain accesses to numbers will do: on amd64 a load or a store of an aligned word of
// whatever width is one access, loads stay in order, and stores do. A store is no fence: loads that follow it
// may come before it. For the compiler a plain load, or store, of a number is one instruction, and it moves
// none over an atomic access, nor out of a loop.
//
// There is no room in these paths for a look at whether the segment was closed; so Close takes them away
// (see atClose), before it cuts the mapping loose, by a plain store that they see at once, or soon.
const plainWords = true

// copyOut copies from memory that others may be writing to. What is loaded after it is loaded behind it.
func copyOut(dst, src []byte) { copy(dst, src) }

// put writes the pair of a slot that this participant claims. The swap of the header comes behind it.
func (p *pair) put(key, value uint64) { *p.plain() = [2]uint64{key, value} }

// setTag gives up the claim of a slot, or takes it back. Nobody else writes to that tag.
func (b *bucket) setTag(slot int, tag uint64) {
	word, shift := tagPlace(slot)
	*plainTag(&b.tags[word], shift) = uint16(tag)
}
