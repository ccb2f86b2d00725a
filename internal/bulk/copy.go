package bulk

const (
	// least is from how many bytes on Copy uses a string instruction, which takes a while to begin.
	least = 1024
	// page and near say where the bytes go that must not be moved by one: to an address that lies, modulo a page, less
	// than near bytes behind theirs. There Zen 4 moves 3.5 GB in a second, in place of 50: its loads wait for stores
	// whose low twelve bits look as if they were to the same place.
	page, near = 4096, 16
)

// Copy is copy(dst, src) for slices that do not overlap.
func Copy(dst, src []byte) int {
	n := min(len(dst), len(src))
	if !quick || n < least || alias(dst, src) {
		return copy(dst, src)
	}
	move(dst[:n], src[:n])
	return n
}
