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
	Committed uint64 // bytes of the heap that are backed by memory
	End       uint64 // offset behind the last run that has been used
	Swept     uint64 // participants that were swept
	HeapLock  Owner  // who holds it
}

// Info reads the header.
func (s *Segment) Info() Info {
	h := s.m.header()
	holder, _ := s.heapLock.Holder()
	stats := s.Stats()
	return Info{
		ID: s.id, Version: int(h.version), Layout: h.layout, Size: s.Size(),
		Created: time.Unix(0, h.created), Creator: int(h.creator), Slots: int(s.slots),
		Used: stats.Used, Committed: stats.Committed, End: s.heap.runOffset(s.heap.top()),
		Swept: h.swept.Load(), HeapLock: holder,
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

// Objects calls f with each object of the heap and its name, in the order of their places, until f reports
// false.
func (s *Segment) Objects(f func(o Object, name string) bool) error {
	if s.IsClosed() {
		return ErrClosed
	}
	names, err := s.named()
	if err != nil {
		return s.unlessClosed(err)
	}
	return s.unlessClosed(s.objects(func(o Object) bool { return f(o, names[o.Block().Place()]) }))
}

// named is the names of the objects by their places.
func (s *Segment) named() (map[uint64]string, error) {
	names := make(map[uint64]string)
	err := s.names(func() { clear(names) }, func(e entry) bool {
		names[e.object.Block().Place()] = e.name
		return true
	})
	return names, err
}

// objects calls f with each object until f reports false.
func (s *Segment) objects(f func(Object) bool) error {
	return s.heap.blocks(func(off uint64, c control) (bool, error) {
		if !c.object() || c.state() == blockDoomed {
			return true, nil
		}
		o, err := s.objectAt(off)
		if s.heap.control(off).Load()&^(stateMask<<stateShift|controlOwner) != uint64(c)&^(stateMask<<stateShift|controlOwner) {
			return true, nil // freed meanwhile
		}
		if err != nil {
			return false, err
		}
		return f(o), nil
	})
}

// blocks calls f with each block that is used until f reports false.
func (h *heap) blocks(f func(off uint64, c control) (bool, error)) error {
	for i := range h.top() {
		w := h.run(i).load()
		step := h.runBytes()
		if class, ok := w.cut(); ok {
			step = classBytes(class)
		} else if w.state() != runLarge {
			continue
		}
		off := h.runOffset(i)
		for end := h.runOffset(i+1) - step; off <= end; off += step {
			if c := control(h.control(off).Load()); c.used() {
				if more, err := f(off, c); err != nil || !more {
					return err
				}
			}
		}
	}
	return nil
}

// Check holds the segment's structure against itself: every block accounted for once, every name
// on an object, every slot and lock in a state that exists. It may run beside others at work: what it
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
	var twice error
	seen := make(map[string]bool)
	if err := s.names(func() { clear(seen); twice = nil }, func(e entry) bool {
		if seen[e.name] {
			twice = fmt.Errorf("name %q stands twice: %w", e.name, ErrCorrupt)
		}
		seen[e.name] = true
		return twice == nil
	}); err != nil {
		return err
	}
	if twice != nil {
		return twice
	}
	if err := s.objects(func(Object) bool { return true }); err != nil {
		return err
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
	if w == free || w == notRecoverable {
		return nil
	}
	if flags := (w - uint64(o)) &^ urgent; flags != 0 && (flags != inconsistent || o == 0) {
		return fmt.Errorf("lock in state %#x: %w", w, ErrCorrupt)
	}
	return l.seg.CheckOwner(o)
}
