package segment

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/word"
)

// The heap is runs: pieces of one size, a power of two. A run is cut into blocks of one class, or is a
// part of a block that takes several runs. Nothing of the heap's own lies among the blocks: beside the
// runs there are a table with an entry for each run, and one with a control word for each granule of 64
// bytes, of which a block uses that of its first granule. A control word is never anything else,
// whatever the run is used for, so whoever comes too late finds a word that has changed, and no data.
//
// # Control words
//
// The word has the block's state, whoever owns it, and its generation, which is one more each time that
// the granule becomes a block: with it, a word never comes back.
//
//	from            to              who
//	free g          draft p, g+1    p allocates: this is the claim, everything else is a hint
//	draft p         draft+object p  p, when the object's header and body are complete
//	draft p         settled         p hands it over: its death changes nothing from here on
//	draft p         tied p          p, before it stores the block's place in a word that the intent names
//	tied p          settled         p, when that is done
//	settled         bound p         p, who means to take the block out of where it is
//	settled         draft p         p takes it: what p has comes back when p dies
//	bound p         tied p          p, before it changes the word that the intent names
//	draft p, bound p, tied p, settled
//	                free            whoever frees a block that has less than a run: p, or anybody
//	the same        doomed q        q, who frees a block of several runs
//	doomed q        free            q, when the runs behind the first are free
//
// When p is dead, whoever sweeps moves draft to free, bound to settled, and tied to settled if the word
// that the intent names has the block's place, else to free; doomed is gone on with. Each is one
// compare-and-swap from a word that no other life of the granule has, so any number may sweep at a time,
// stop in the middle, and begin again. (The idea that a block is popped by stamping it, and that lists of
// what is free are hints, is that of reference-counted heaps on CXL memory and of index sets; see
// docs/HEAP.md.)
//
// Blocks that keep objects, and objects that are kept, have more states; see keep.go.
//
// The owner in a control word is the slot and 19 bits of its generation. A participant's blocks are swept
// before its slot can be used again.
//
// # Runs
//
//	from            to              who
//	free            taken p         p needs one or more
//	taken p         free            p, who does not need it after all
//	taken p         small p         p, when it is backed by memory
//	taken p         tail g          p, of the runs of a block of generation g but the first
//	taken p         large g         p, of the first, when the block's control word is draft p
//	small p         small nobody    a sweeper, when p is dead
//	small nobody    small p         p, who needs blocks of that class
//	small any       leaving q       q, who thinks that all blocks are free
//	leaving q       taken q         q, when they are; whoever allocated meanwhile looks at this word and
//	                                takes it back
//	leaving q       small nobody    q, when they are not, or a sweeper, when q is dead
//	tail g, large g free            who frees the block, or sweeps; the first one last
//
// The owner of a small run is the only one who allocates in it as long as there is memory, so that
// processes do not get in each other's way. Where there is none left, anybody does.
//
// Allocating takes no lock of other processes, up to half a run. Beyond that the heap's lock keeps those
// apart who look for several runs in a row.

// geometry is where the heap's parts lie.
type geometry struct {
	shift    uint   // a run has 1<<shift bytes
	count    uint64 // of runs
	runs     uint64 // offset of the table of runs
	controls uint64 // of the control words
	heap     uint64 // of the runs
}

// layRuns is the geometry for that many runs.
func layRuns(participants uint32, shift uint, count uint64) geometry {
	g := geometry{shift: shift, count: count}
	g.runs = alignUp(tableOffset+uint64(participants)*participantSize, Line)
	g.controls = g.runs + count*runSize
	g.heap = alignUp(g.controls+count<<shift/granule*8, 1<<shift)
	return g
}

// lay is the geometry of a segment of that size: the most runs that fit. It reports false if none does.
func lay(participants uint32, shift uint, total uint64) (geometry, bool) {
	table := layRuns(participants, shift, 0).runs
	if total < table {
		return geometry{}, false
	}
	count := (total - table) / (1<<shift + 1<<shift/granule*8 + runSize)
	for ; count > 0; count-- {
		if g := layRuns(participants, shift, count); g.heap+count<<shift <= total {
			return g, true
		}
	}
	return geometry{}, false
}

func (g *geometry) runBytes() uint64          { return 1 << g.shift }
func (g *geometry) runOffset(i uint64) uint64 { return g.heap + i<<g.shift }

// granules is how many control words a run has.
func (g *geometry) granules() uint64 { return 1 << g.shift / granule }

// heap is one attach's view of the heap, with what it remembers of it.
type heap struct {
	geometry
	m     *mapping
	file  *os.File
	limit uint64        // runs from here on are not for this attach
	self  atomic.Uint64 // its owner, as control words have it; 0: none

	keepers keepers
	ending  sync.Mutex // held while an object is ending that is this attach's; see keep.go
	growing sync.Mutex // held while memory is asked for or given back; Close waits for it
	gone    bool       // after Close; under growing

	classes [classes]class
	kept    atomic.Int64  // free runs that this attach has left backed by memory
	look    atomic.Uint64 // where it looks for a free run next
	seen    atomic.Uint64 // what top was, or less
	noted   atomic.Bool   // participant.allocated is set
}

// class is what an attach remembers of one size of blocks.
type class struct {
	// next is where to look for a free block first: the run plus 1, and the block's number in the low 32
	// bits; 0: nowhere.
	next atomic.Uint64

	mu   sync.Mutex
	runs []uint64 // that this attach has allocated in, and may again
	at   int      // of runs, where to look first
}

// control is the value of a control word.
type control uint64

const (
	controlOwner    = 1<<35 - 1
	keepsFlag       = 1 << 35 // see keep.go
	stateShift      = 36
	stateMask       = 7
	objectFlag      = 1 << 39
	generationShift = 40
)

// States of a block.
const (
	blockFree = iota
	blockDraft
	blockTied
	blockBound
	blockSettled
	blockDoomed
	blockGone   // destroyed, and kept; see keep.go
	blockEnding // destroyed, and somebody is about to see whether it is kept
)

func makeControl(state, owner uint64, generation uint32) control {
	return control(uint64(generation)<<generationShift | state<<stateShift | owner)
}

func (c control) state() uint64      { return uint64(c) >> stateShift & stateMask }
func (c control) owner() uint64      { return uint64(c) & controlOwner }
func (c control) generation() uint32 { return uint32(c >> generationShift) }
func (c control) object() bool       { return c&objectFlag != 0 }

// with is c in another state.
func (c control) with(state, owner uint64) control {
	return c&^(stateMask<<stateShift|controlOwner) | control(state<<stateShift|owner)
}

// freed is c when the block is free.
func (c control) freed() control { return makeControl(blockFree, 0, c.generation()) }

// used reports whether there is a block.
func (c control) used() bool { return c.state() != blockFree }

// brief is o as control words and the entries of runs have it: the slot, and its generation modulo
// something less than 1<<19, plus 1, so that nobody has 0.
func (o Owner) brief() uint64 {
	return uint64(o.generation()%(1<<19-1)+1)<<ownerSlotBits | uint64(o.slot())
}

// guest is the bit of run.guests for a brief owner.
func guest(brief uint64) uint64 { return 1 << (brief % 64) }

// runWord is the value of run.word.
type runWord uint64

// States of a run, and its flags.
const (
	runFree = iota
	runTaken
	runSmall
	runLeaving
	runLarge
	runTail
)

const (
	runClassShift = 40
	runClassMask  = 0x1f

	// flags, which a run keeps whatever becomes of it
	runBacked = 1 << 48 // by memory, all of it
	runDirty  = 1 << 49 // may have bytes that are not zero
	runTabled = 1 << 50 // its control words are backed by memory
	runFlags  = runBacked | runDirty | runTabled
	// runCurrent is set while the owner of a small run allocates in it.
	runCurrent = 1 << 51
	runDefined = runFlags | runCurrent | runClassMask<<runClassShift | stateMask<<stateShift | controlOwner
)

func (w runWord) state() uint64  { return uint64(w) >> stateShift & stateMask }
func (w runWord) owner() uint64  { return uint64(w) & controlOwner }
func (w runWord) class() uint64  { return uint64(w) >> runClassShift & runClassMask }
func (w runWord) flags() runWord { return w & runFlags }

// small reports whether the run has blocks of that class, whoever allocates them, and is not given up.
func (w runWord) small(class uint64) bool { return w.state() == runSmall && w.class() == class }

// cut reports whether the run is cut into blocks of a class, and of which.
func (w runWord) cut() (class uint64, ok bool) {
	state := w.state()
	class = w.class()
	return class, (state == runSmall || state == runLeaving) && class < classes
}

// as is w in another state.
func (w runWord) as(state, owner uint64) runWord {
	return w.flags() | runWord(state<<stateShift|owner)
}

// sized is w in another state, with a class.
func (w runWord) sized(state, owner, class uint64) runWord {
	return w.as(state, owner) | runWord(class<<runClassShift)
}

func (h *heap) run(i uint64) *run { return h.m.run(h.runs, i) }

func (r *run) load() runWord              { return runWord(r.word.Load()) }
func (r *run) swap(from, to runWord) bool { return r.word.CompareAndSwap(uint64(from), uint64(to)) }
func (h *heap) control(off uint64) *word.Uint64 {
	return h.m.word(h.controls + (off-h.heap)/granule*8)
}

// top is how many runs have been used, as far as their entries can be read.
func (h *heap) top() uint64 {
	hd := h.m.header()
	top := min(hd.top.Load(), hd.tabled.Load(), h.count)
	h.seen.Store(top)
	return top
}

// usable is below which run this attach allocates.
func (h *heap) usable() uint64 { return min(h.top(), h.limit) }

// extentOf is the run and the size of the block that may begin at off, and what the run's word was.
func (h *heap) extentOf(off uint64) (i, size uint64, w runWord, err error) {
	if off < h.heap || off%granule != 0 {
		return noBlock(off)
	}
	i = (off - h.heap) >> h.shift
	if i >= h.seen.Load() && i >= h.top() {
		return noBlock(off)
	}
	w = h.run(i).load()
	if class, ok := w.cut(); ok {
		size = classBytes(class)
		within := off - h.runOffset(i)
		if within%size != 0 || within+size > h.runBytes() {
			return noBlock(off)
		}
		return i, size, w, nil
	}
	if w.state() != runLarge || off != h.runOffset(i) {
		return noBlock(off)
	}
	size = h.run(i).extent.Load()
	if n := h.span(size); n == 0 || n > h.count-i {
		return 0, 0, 0, fmt.Errorf("block of %d bytes at %#x: %w", size, off, ErrCorrupt)
	}
	return i, size, w, nil
}

func noBlock(off uint64) (i, size uint64, w runWord, err error) {
	return 0, 0, 0, fmt.Errorf("no block at %#x: %w", off, ErrStale)
}

// tenure names the block that off lies in, as Block.Place does, 0 if it lies in none. What is kept about an object by its
// offset is another's when that has changed: the object was destroyed, and there is a new one.
func (h *heap) tenure(off uint64) uint64 {
	if off < h.heap || h.count == 0 {
		return 0
	}
	i := (off - h.heap) >> h.shift
	if i >= h.top() {
		return 0
	}
	w := h.run(i).load()
	for ; w.state() == runTail && i > 0; w = h.run(i).load() {
		i--
	}
	start := h.runOffset(i)
	if class, ok := w.cut(); ok {
		size := classBytes(class)
		start += (off - start) / size * size
	}
	c := control(h.control(start).Load())
	return uint64(c.generation())<<refOffsetBits | start/refUnit
}

// span is how many runs a block of that many bytes takes; 0 if it is none.
func (g *geometry) span(size uint64) uint64 {
	if size > g.count<<g.shift {
		return 0
	}
	return (size + g.runBytes() - 1) >> g.shift
}

// note tells sweepers that this attach has something of the heap.
func (h *heap) note() {
	if h.noted.Load() {
		return
	}
	if self := h.self.Load(); self != 0 {
		h.m.participant(uint32(self & (1<<ownerSlotBits - 1))).allocated.Store(allocatedSince)
		h.noted.Store(true)
	}
}

// visit tells sweepers that this attach has a block in r.
func (r *run) visit(brief uint64) {
	if bit := guest(brief); r.guests.Load()&bit == 0 {
		r.guests.Or(bit)
	}
}

// noRoom is why there is no block of size bytes.
func (h *heap) noRoom(size uint64) error {
	return fmt.Errorf("%d bytes of a heap of %d: %w", size, min(h.limit, h.count)<<h.shift, ErrNoSpace)
}

// Forget drops what this attach remembers of the heap: where it allocates. It is for tests that put the bytes back behind its
// back. Nobody may allocate meanwhile.
func (s *Segment) Forget() {
	h := &s.heap
	for i := range h.classes {
		k := &h.classes[i]
		k.mu.Lock()
		k.next.Store(0)
		k.runs = nil
		k.mu.Unlock()
	}
	h.seen.Store(0)
	h.noted.Store(false)
}
