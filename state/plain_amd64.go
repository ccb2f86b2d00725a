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
