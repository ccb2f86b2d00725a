package bulk

// least is from how many bytes on Copy uses a string instruction, which takes a while to begin.
const least = 1024

// Copy is copy(dst, src) for slices that do not overlap.
func Copy(dst, src []byte) int {
	n := min(len(dst), len(src))
	if !quick || n < least {
		return copy(dst, src)
	}
	move(dst[:n], src[:n])
	return n
}
