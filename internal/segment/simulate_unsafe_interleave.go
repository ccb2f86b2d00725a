//go:build interleave && (linux || darwin)

package segment

import (
	"maps"
	"os"
	"unsafe"

	"github.com/zeebo/xxh3"

	"github.com/kindred-ipc/kindred/internal/word"
)

// Memory is a segment that participants in one process share, who see it at the same address. It is
// made anew as often as needed, without a system call. It is for package interleave.
type Memory struct {
	file  *os.File
	m     *mapping
	plan  plan
	views map[extent]*mapping // ranges that are mapped twice, kept for the next ones
}

// NewMemory makes memory for a segment with room for size bytes of objects.
func NewMemory(size int64, participants int) (*Memory, error) {
	p, err := newPlan(size, &Config{Participants: participants})
	if err != nil {
		return nil, err
	}
	p.id = 0x5eed
	f, err := anonymousFile(p.size)
	if err != nil {
		return nil, err
	}
	m, err := newMapping(f, p.size, false)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Memory{file: f, m: m, plan: p, views: make(map[extent]*mapping)}, nil
}

// Close gives the memory back.
func (w *Memory) Close() error { return w.file.Close() }

// Reset makes the segment anew, without participants. Nobody uses the old one any more.
func (w *Memory) Reset() {
	clear(w.m.mem)
	w.plan.write(w.m)
	h := w.m.header()
	h.created, h.creator = 0, 0
}

// Attach takes a slot for one more participant.
func (w *Memory) Attach(as string) (*Segment, error) {
	s, err := attach(w.file, w.m, w.plan, "", &Config{As: as, Owner: -1})
	if err == nil {
		maps.Copy(s.views, w.views)
	}
	return s, err
}

// Keep keeps the mappings that s has made, for those who attach later.
func (w *Memory) Keep(s *Segment) { maps.Copy(w.views, s.views) }

// Offset is where p points to in the segment, which these have attached.
func (w *Memory) Offset(p unsafe.Pointer, attached ...*Segment) (uint64, bool) {
	if off, ok := inside(w.m, p); ok {
		return off, true
	}
	for _, s := range attached {
		if off, ok := offsetIn(s.views, p); ok {
			return off, true
		}
	}
	return offsetIn(w.views, p)
}

func offsetIn(views map[extent]*mapping, p unsafe.Pointer) (uint64, bool) {
	for e, m := range views {
		if off, ok := inside(m, p); ok {
			return e.off + off%e.n, true
		}
	}
	return 0, false
}

func inside(m *mapping, p unsafe.Pointer) (uint64, bool) {
	off := uintptr(p) - uintptr(unsafe.Pointer(unsafe.SliceData(m.mem)))
	return uint64(off), off < uintptr(len(m.mem))
}

// Remembered is a hash of what an attach keeps in Go's heap from one wait to the next, but for what its
// watches have told it.
func (w *Memory) Remembered(s *Segment) (sum uint64) {
	for off, p := range s.points {
		if w := p.front.sits(); w != nil {
			sum += (off + 1) * (word.Bit(w.sleeper.Poked()) + 2*uint64(w.bell.rung.Load()))
		}
		sum += (off + 1) * (p.joined.Load() + word.Bit(p.doubtful.Load())<<63 + 0x9e3779b97f4a7c15) // in whatever order
	}
	return sum + s.hub.remembered()
}

// Hash is of all that the participants have written, but for the time at which they attached, which
// nothing depends on.
func (w *Memory) Hash() xxh3.Uint128 {
	for i := range w.plan.participants {
		w.m.participant(i).attached = 0
	}
	top := *(*uint64)(unsafe.Pointer(&w.m.header().top)) // not an access of the model's
	g := &w.plan.geometry
	var h xxh3.Hasher
	_, _ = h.Write(w.m.bytes(0, g.runs+top*runSize))
	_, _ = h.Write(w.m.bytes(g.controls, top*g.granules()*8))
	_, _ = h.Write(w.m.bytes(g.heap, top<<g.shift))
	return h.Sum128()
}
