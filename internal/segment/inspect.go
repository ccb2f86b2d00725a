package segment

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/kindred-ipc/kindred/internal/liveness"
)

// Participant is what the table says of one attach.
type Participant struct {
	Owner    Owner     `json:"slot"`
	Pid      int       `json:"pid"` // 0 if the slot is not this attach's any more
	Name     string    `json:"name"`
	Attached time.Time `json:"attached"`
	Alive    bool      `json:"alive"`
}

// String names the participant for people: its process, its name if it gave one, and that it is dead
// if it is.
func (p Participant) String() string {
	s := p.Owner.String()
	if p.Pid != 0 {
		s = fmt.Sprintf("process %d", p.Pid)
	}
	if p.Name != "" {
		s += " (" + Printable(p.Name) + ")"
	}
	if p.Owner != 0 && !p.Alive {
		s += ", dead"
	}
	return s
}

// Printable is s, quoted if it has anything in it that a terminal would not just show.
func Printable(s string) string {
	if q := strconv.Quote(s); q[1:len(q)-1] != s {
		return q
	}
	return s
}

// Info is what the header says of a segment.
type Info struct {
	ID        uint64
	Version   int
	Layout    uint64
	Size      int64
	Created   time.Time
	Creator   int    // pid
	Slots     int    // of the participants' table
	Used      uint64 // bytes that blocks take
	Committed uint64 // bytes that are backed by memory
	Swept     uint64 // participants that were swept
	HeapLock  Owner  // who holds it
}

// Info reads the header.
func (s *Segment) Info() Info {
	h := s.m.header()
	holder, _ := s.heapLock.Holder()
	return Info{
		ID: s.id, Version: int(h.version), Layout: h.layout, Size: s.Size(),
		Created: time.Unix(0, h.created), Creator: int(h.creator), Slots: int(s.slots),
		Used: h.heapNext.Load(), Committed: h.committed.Load(), Swept: h.swept.Load(), HeapLock: holder,
	}
}

// Participants lists the slots that are live, with whether their process is. It changes nothing.
func (s *Segment) Participants() ([]Participant, error) {
	if s.IsClosed() {
		return nil, ErrClosed
	}
	var all []Participant
	for i := range s.slots {
		p := s.slot(i)
		state := p.state.Load()
		if state&0xff != slotLive {
			continue
		}
		one := s.describe(i, uint32(state>>8))
		if one.Owner == s.Self() {
			one.Alive = true
		} else {
			held, err := liveness.Held(s.locks, lockBase+int64(i))
			if err != nil {
				return nil, s.unlessClosed(fmt.Errorf("probe slot %d: %w", i, err))
			}
			one.Alive = held
		}
		all = append(all, one)
	}
	return all, nil
}

// Participant is what is known of o, by an observer: whoever is attached sweeps the dead instead
// (Gone).
func (s *Segment) Participant(o Owner) Participant {
	if o == 0 || o.slot() >= s.slots ||
		s.slot(o.slot()).state.Load() != slotState(o.generation(), slotLive) {
		return Participant{Owner: o}
	}
	p := s.describe(o.slot(), o.generation())
	p.Alive = o == s.Self() || !s.Gone(o)
	return p
}

func (s *Segment) describe(i, generation uint32) Participant {
	p := s.slot(i)
	name, _, _ := bytes.Cut(p.name[:], []byte{0})
	return Participant{
		Owner: makeOwner(i, generation), Pid: int(p.pid), Name: string(name),
		Attached: time.Unix(0, p.attached),
	}
}

// Describe names o for people: its process, and its name if it gave one.
func (s *Segment) Describe(o Owner) string {
	if o == 0 || o.slot() >= s.slots {
		return o.String()
	}
	if s.slot(o.slot()).state.Load() != slotState(o.generation(), slotLive) {
		return o.String() + ", gone"
	}
	p := s.describe(o.slot(), o.generation())
	p.Alive = true // so the table says
	return p.String()
}

// Objects calls f with each object of the heap and its name, oldest first, until f reports false.
// Blocks that hold names are left out.
func (s *Segment) Objects(f func(o Object, name string) bool) error {
	if s.IsClosed() {
		return ErrClosed
	}
	named := make(map[uint64]string)
	if err := s.names(func(name string, object uint64) bool {
		named[object] = name
		return true
	}); err != nil {
		return s.unlessClosed(err)
	}
	var misled error
	if err := s.blocks(func(o Object) bool {
		if o.kind != KindName {
			return f(o, named[o.off])
		}
		if name, ok := named[o.off]; ok {
			misled = fmt.Errorf("name %q leads to %#x, where no object is: %w", name, o.off, ErrCorrupt)
		}
		return misled == nil
	}); err != nil {
		return s.unlessClosed(err)
	}
	return s.unlessClosed(misled)
}

// blocks calls f with each block until f reports false. Blocks follow each other without a gap.
func (s *Segment) blocks(f func(Object) bool) error {
	next := s.m.header().heapNext.Load()
	if next < s.heap || next > s.m.size() {
		return fmt.Errorf("heap ends at %#x: %w", next, ErrCorrupt)
	}
	for off := s.heap; off < next; {
		o, err := s.objectAt(off)
		if err != nil {
			return err
		}
		if !f(o) {
			return nil
		}
		off = o.end
	}
	return nil
}

// Check holds the segment's structure against itself: every block accounted for once, every name
// on a block, every slot and lock in a state that exists. It may run beside others at work: what it
// compares, it reads in the order in which no operation under way can look like damage.
func (s *Segment) Check() error {
	if s.IsClosed() {
		return ErrClosed
	}
	return s.unlessClosed(s.check())
}

func (s *Segment) check() error {
	if err := s.checkHeap(); err != nil {
		return err
	}
	named := make(map[string]uint64)
	var twice error
	if err := s.names(func(name string, object uint64) bool {
		if _, ok := named[name]; ok {
			twice = fmt.Errorf("name %q stands twice: %w", name, ErrCorrupt)
		}
		named[name] = object
		return twice == nil
	}); err != nil {
		return err
	}
	if twice != nil {
		return twice
	}
	// Blocks after names: what has a name was there before it.
	starts := make(map[uint64]Kind)
	if err := s.blocks(func(o Object) bool {
		starts[o.off] = o.kind
		return true
	}); err != nil {
		return err
	}
	for name, object := range named {
		if kind, ok := starts[object]; !ok || kind == KindName {
			return fmt.Errorf("name %q leads to %#x, where no object is: %w", name, object, ErrCorrupt)
		}
	}
	for i := range s.slots {
		state := s.slot(i).state.Load()
		if state&0xff > slotRetired || state>>40 != 0 {
			return fmt.Errorf("slot %d in state %#x: %w", i, state, ErrCorrupt)
		}
	}
	if err := s.heapLock.Check(); err != nil {
		return fmt.Errorf("heap lock: %w", err)
	}
	return nil
}

// checkHeap holds the heap's words against each other. Each is read before those that must not be
// less: all of them only grow. The last of them is held against the file: what claims more memory than
// there is would make whoever walks it allocate that memory.
func (s *Segment) checkHeap() error {
	h := s.m.header()
	next := h.heapNext.Load()
	dirty := h.dirty.Load()
	committed := h.committed.Load()
	have, err := backing(s.file)
	if err != nil {
		return err
	}
	if committed > have {
		return fmt.Errorf("%#x bytes are to be backed by memory, %#x are: %w", committed, have, ErrCorrupt)
	}
	if next > dirty || dirty > committed || committed > s.m.size() {
		return fmt.Errorf("heap ends at %#x, dirty up to %#x, backed up to %#x of %#x: %w",
			next, dirty, committed, s.m.size(), ErrCorrupt)
	}
	return nil
}

// CheckOwner reports whether o names nobody or an attach that was or is.
func (s *Segment) CheckOwner(o Owner) error {
	if o == 0 {
		return nil
	}
	if o.slot() >= s.slots || o.generation() == 0 || uint64(o.generation()) > s.slot(o.slot()).state.Load()>>8 {
		return fmt.Errorf("held by %s, who never was: %w", o, ErrCorrupt)
	}
	return nil
}

// Check reports whether the lock's word is in a state that exists.
func (l *Lock) Check() error {
	w := l.state.owner.Load()
	o := OwnerOf(w)
	if flags := (w - uint64(o)) &^ urgent; w != notRecoverable && flags != 0 && (flags != inconsistent || o == 0) {
		return fmt.Errorf("lock in state %#x: %w", w, ErrCorrupt)
	}
	return l.seg.CheckOwner(o)
}
