package segment

// What an object has of the heap beside its own block goes with it. Whoever sees it end frees that, and this may be a process
// that has never opened it, and that does not even have the package of its kind: one who sweeps, or who takes the last Ref
// out of something else. So its block says, by one of a few numbers, where the places are of what it has.
type Contents uint32

const (
	// HasNothing is that of objects that have no other blocks.
	HasNothing Contents = iota
	// HasSlots is a List's: two words of its body name blocks.
	HasSlots
	// HasBoxes is that of a List of which these blocks are words that name blocks, and so does one more word of its body.
	HasBoxes
	// HasRow is a Map's: words at the end of its body name blocks of words that name blocks.
	HasRow
	// HasFullRow is that of a Map of which these blocks are buckets with words that name blocks.
	HasFullRow
	// HasParcels is that of a Queue whose messages may have boxes: its slots, and behind these its bays, are parcels that name
	// a block each.
	HasParcels
	// HasLanes is a Pipe's: some words of its body name blocks, and it has two Queues, or one, that have parcels.
	HasLanes
)

// Where the words are, from the begin of a body or of a block; the packages state and queue see to it that they are there.
const (
	SlotsFirst, SlotsSecond, SlotsSpare  = 24, 56, 160
	BoxesFirst                           = 8
	RowFirst                             = 256
	ExtentsFirst                         = 64
	BucketBytes, BucketFirst, BucketStep = 512, 72, 16

	LanesSpare, LanesFirst                                = 32, 2176
	ParcelsCount, ParcelsData, ParcelsFlags, ParcelsFirst = 8, 24, 40, 768
	ParcelBytes, ParcelBox, ParcelsBerth, ParcelsBays     = 128, 8, 24, 8
)

// freeContents frees what an object has of the heap. It is this participant's alone. What was freed before, or is somebody's,
// is left alone: so it can be done again.
func (s *Segment) freeContents(o Object, ends *[]Object) {
	contents := Contents(s.m.block(o.off).contents)
	body := func(at uint64) uint64 {
		if at+8 > o.Size() {
			return 0
		}
		return s.m.word(o.body + at).Load()
	}
	switch contents {
	case HasSlots, HasBoxes:
		for _, at := range []uint64{SlotsFirst, SlotsSecond} {
			s.freeTree(body(at), ends, func(b Block, each func(place uint64)) {
				for at := uint64(BoxesFirst); contents == HasBoxes && at+8 <= b.size; at += 8 {
					each(s.m.word(b.off + at).Load())
				}
			}, nil)
		}
		if contents == HasBoxes {
			s.freeTree(body(SlotsSpare), ends, nil, nil)
		}
	case HasRow, HasFullRow:
		for at := uint64(RowFirst); at+8 <= o.Size(); at += 8 {
			s.freeTree(body(at), ends, func(b Block, each func(place uint64)) {
				for at := uint64(ExtentsFirst); at+8 <= b.size; at += 8 {
					each(s.m.word(b.off + at).Load())
				}
			}, func(b Block, each func(place uint64)) {
				for at := uint64(BucketFirst); contents == HasFullRow && at+8 <= b.size; at += BucketStep {
					if at%BucketBytes < BucketFirst { // the header and the tags of the next one
						at += BucketFirst - at%BucketBytes
					}
					if at+8 <= b.size {
						each(s.m.word(b.off + at).Load())
					}
				}
			})
		}
	case HasParcels:
		s.freeParcels(o, 0, ends)
	case HasLanes:
		for at := uint64(LanesSpare); at < Line; at += 8 {
			s.freeTree(body(at), ends, nil, nil)
		}
		for at := uint64(LanesFirst); at != 0; {
			at = s.freeParcels(o, at, ends)
		}
	}
}

// freeParcels frees the boxes of messages that are named by the parcels of the queue at that offset in the body of o, and returns
// the offset behind it; 0, if there is no queue.
func (s *Segment) freeParcels(o Object, at uint64, ends *[]Object) uint64 {
	size := o.Size()
	if size < ParcelsFirst || at > size-ParcelsFirst {
		return 0
	}
	count, data := s.m.word(o.body+at+ParcelsCount).Load(), s.m.word(o.body+at+ParcelsData).Load()
	first := data - o.body // of the slots
	if first < at+ParcelsFirst || first > size || first%8 != 0 || count > (size-first)/ParcelBytes {
		return 0 // what is broken cannot be freed
	}
	end := first + count*ParcelBytes
	for slot := first; slot < end; slot += ParcelBytes {
		s.freeTree(s.m.word(o.body+slot+ParcelBox).Load(), ends, nil, nil)
	}
	if s.m.word(o.body+at+ParcelsFlags).Load()&ParcelsBays != 0 {
		const step = ParcelsBerth + ParcelBytes
		for bay := end; count > 0 && bay+step <= size; bay, count = bay+step, count-1 {
			s.freeTree(s.m.word(o.body+bay+ParcelsBerth+ParcelBox).Load(), ends, nil, nil)
			end = bay + step
		}
	}
	return end
}

// freeTree frees the block that a word names, those that it names, and those that these name.
func (s *Segment) freeTree(place uint64, ends *[]Object, children, grandchildren func(Block, func(uint64))) {
	if place == 0 {
		return
	}
	b, err := s.BlockAt(place)
	if err != nil {
		return
	}
	if c, err := b.look(); err != nil || c.object() {
		return
	}
	if children != nil {
		children(b, func(place uint64) { s.freeTree(place, ends, grandchildren, nil) })
	}
	_ = b.Settle() // who has linked it may have died, or be stopped, before he did
	_ = b.freeAs(0, false, ends)
}
