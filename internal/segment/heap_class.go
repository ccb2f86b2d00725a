package segment

import "math/bits"

// The classes of blocks: 64 and 128 bytes, then one and a half times, and twice, each power of two, up
// to half a run. So at most a third of a block is lost to its class.
//
//	0   1    2    3    4    5    6    7     ...  17
//	64  128  192  256  384  512  768  1024  ...  32768
const classes = 18

// classBytes is the size of a class's blocks.
func classBytes(class uint64) uint64 {
	switch {
	case class < 2:
		return granule << class
	case class%2 == 0:
		return 3 << (class/2 + 5)
	default:
		return 1 << ((class-3)/2 + 8)
	}
}

// classOf is the class of blocks for size bytes, each at a multiple of align, a power of two. It reports
// false if it takes more than half a run.
func classOf(size, align uint64, shift uint) (uint64, bool) {
	if size > 1<<(shift-1) || align > 1<<(shift-1) {
		return 0, false
	}
	class := uint64(0)
	if size > granule {
		b := uint64(bits.Len64(size - 1)) // size is at most 1<<b
		switch {
		case b == 7:
			class = 1
		case size <= 3<<(b-2):
			class = 2*(b-8) + 2
		default:
			class = 2*(b-8) + 3
		}
	}
	for classBytes(class)%align != 0 {
		class++
	}
	return class, classBytes(class) <= 1<<(shift-1)
}

// blocksIn is how many blocks of a class a run has.
func (g *geometry) blocksIn(class uint64) uint64 { return 1 << g.shift / classBytes(class) }

// ClassBytes is the size of the blocks of a class, for those who read a segment without this package.
func ClassBytes(class uint64) uint64 { return classBytes(class % classes) }
