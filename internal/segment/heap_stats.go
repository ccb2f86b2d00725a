package segment

import "slices"

// Stats is how the heap of a segment is used, counted beside others at work.
type Stats struct {
	Size      uint64 `json:"size"`      // bytes of the heap
	Used      uint64 `json:"used"`      // in blocks that are used
	Free      uint64 `json:"free"`      // in all others, and in runs
	Committed uint64 `json:"committed"` // in runs that are backed by memory
	Blocks    uint64 `json:"blocks"`    // that are used
	Run       uint64 `json:"run"`       // bytes of a run
	FreeRuns  uint64 `json:"free_runs"`
	Row       uint64 `json:"row"`  // bytes of the most free runs in a row: the largest block that fits
	Worn      uint64 `json:"worn"` // in blocks that were used as often as they can be

	Classes      []ClassStats `json:"classes"`      // that there are, the smallest first; then what takes runs
	Participants []OwnerStats `json:"participants"` // who have something
}

// ClassStats is how the blocks of one size are used.
type ClassStats struct {
	Bytes uint64 `json:"bytes"` // of a block; 0: those of several runs
	Runs  uint64 `json:"runs"`
	Used  uint64 `json:"used"` // blocks
	Free  uint64 `json:"free"` // blocks
}

// OwnerStats is what one participant has of the heap.
type OwnerStats struct {
	Slot   uint32 `json:"slot"`
	Blocks uint64 `json:"blocks"` // that it has not handed over
	Bytes  uint64 `json:"bytes"`  // of these
	Runs   uint64 `json:"runs"`   // in which it alone allocates
}

// Fragmentation is which part of the free memory does not lie in the longest row of free runs: 0 if all
// of it could become one block, 1 if none could.
func (a *Stats) Fragmentation() float64 {
	if a.Free == 0 {
		return 0
	}
	return 1 - float64(a.Row)/float64(a.Free)
}

// Stats counts what there is.
func (s *Segment) Stats() Stats {
	h := &s.heap
	all := Stats{Size: h.count << h.shift, Run: h.runBytes()}
	sizes := make([]ClassStats, classes+1)
	owners := make(map[uint32]*OwnerStats)
	owner := func(brief uint64) *OwnerStats {
		slot := uint32(brief & (1<<ownerSlotBits - 1))
		if owners[slot] == nil {
			owners[slot] = &OwnerStats{Slot: slot}
		}
		return owners[slot]
	}
	row, top := uint64(0), h.top()
	for i := range top {
		w := h.run(i).load()
		if w&runBacked != 0 {
			all.Committed += h.runBytes()
		}
		if w.state() != runFree {
			row = 0
		} else {
			row++
			all.FreeRuns++
			all.Row = max(all.Row, row)
		}
		if class, ok := w.cut(); ok {
			h.countSmall(i, class, &all, &sizes[class], owner)
			if w.owner() != 0 {
				owner(w.owner()).Runs++
			}
		}
		if w.state() == runLarge {
			c := control(h.control(h.runOffset(i)).Load())
			n := min(h.span(h.run(i).extent.Load()), h.count-i)
			sizes[classes].Runs += n
			if c.used() {
				all.count(&sizes[classes], n<<h.shift, c, owner)
			}
		}
	}
	row += h.count - top
	all.FreeRuns += h.count - top
	all.Row = max(all.Row, row) << h.shift
	all.Free = all.Size - min(all.Used, all.Size)
	for class := range sizes {
		if sizes[class].Runs > 0 {
			if class < classes {
				sizes[class].Bytes = classBytes(uint64(class))
			}
			all.Classes = append(all.Classes, sizes[class])
		}
	}
	for _, o := range owners {
		all.Participants = append(all.Participants, *o)
	}
	slices.SortFunc(all.Participants, func(a, b OwnerStats) int { return int(a.Slot) - int(b.Slot) })
	return all
}

func (h *heap) countSmall(i, class uint64, all *Stats, c *ClassStats, owner func(uint64) *OwnerStats) {
	c.Runs++
	size := classBytes(class)
	off := h.runOffset(i)
	for end := h.runOffset(i+1) - size; off <= end; off += size {
		word := control(h.control(off).Load())
		switch {
		case word.used():
			all.count(c, size, word, owner)
		case word.generation() >= maxGeneration:
			all.Worn += size
		default:
			c.Free++
		}
	}
}

func (a *Stats) count(c *ClassStats, size uint64, word control, owner func(uint64) *OwnerStats) {
	c.Used++
	a.Blocks++
	a.Used += size
	if word.owner() != 0 {
		o := owner(word.owner())
		o.Blocks++
		o.Bytes += size
	}
}
