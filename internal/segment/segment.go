package segment

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/liveness"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/word"
)

// Segment is one attach of this process to a segment. Its methods may be called by any goroutine.
type Segment struct {
	file     *os.File // of this attach's own
	locks    *os.File // open file description that holds the slot's lock: file's, or a lock file's
	m        *mapping
	name     string
	id       uint64
	slots    uint32 // of the header, checked when the segment was opened
	heap     heap
	ident    liveness.Identity
	observer bool   // without a slot
	want     memory // of all mappings
	heapLock Lock

	// self is this attach's Owner, 0 for an observer and after Close: a lock's fast path compares
	// with it and so finds a closed segment without a look of its own.
	self atomic.Uint64

	closed chan struct{} // closed by Close

	told      atomic.Int32      // how many in dead are true
	places    [directWaits]seat // of those who sleep in the kernel
	shut      atomic.Bool       // Close was called: it is about to close closed
	lately    atomic.Uint64     // an Owner in watches, or this attach; 0 if there was none since one was taken out
	attending atomic.Bool       // an attendant is there
	briefs    atomic.Uint64     // how many brief sleeps there were
	brisk     atomic.Int64      // when the last manyBriefs of them were full, in nanoseconds from epoch
	hub       hub
	mine      uint32        // the slot; see doorbell
	stir      atomic.Uint64 // weights of all waits that were OneOfMany: see bustle
	seats     int           // how many of the places may be taken
	once      sync.Once

	mu      word.Mutex
	bells   Bells                     // of those who wait at many points
	points  map[uint64]*Point         // by the offset of their Event
	locals  map[uint64]local          // by the offset of their object
	watches map[Owner]*liveness.Watch // deaths that are pushed to this process
	dead    map[Owner]bool            // proven dead by their pidfd; true: they are swept, but perhaps for their slots
	closers map[*closer]struct{}      // what Close calls; nil after it
	views   map[extent]*mapping       // further mappings of parts of the file
}

// attach takes a participant slot of a mapping, or none for an observer. p is what the header says,
// read once and checked: the header itself may say something else by now.
func attach(f *os.File, m *mapping, p plan, name string, c *Config) (*Segment, error) {
	s := &Segment{
		file:    f,
		m:       m,
		want:    memoryOf(c),
		name:    name,
		id:      p.id,
		slots:   p.participants,
		heap:    heap{geometry: p.geometry, m: m, file: f, limit: p.count},
		ident:   liveness.Self(),
		seats:   directWaits,
		closed:  make(chan struct{}),
		points:  make(map[uint64]*Point),
		locals:  make(map[uint64]local),
		watches: make(map[Owner]*liveness.Watch),
		dead:    make(map[Owner]bool),
		closers: make(map[*closer]struct{}),
		views:   make(map[extent]*mapping),
	}
	locks, err := openLocks(f, m, p)
	if err != nil {
		return nil, err
	}
	s.locks = locks
	if c.MaxBytes > 0 {
		s.heap.limit = min(p.count, uint64(c.MaxBytes)>>p.shift)
	}
	if c.Observe {
		s.observer = true
		s.heapLock = s.LockAt(Line)
		return s, nil
	}
	if err := s.enter(c.As); err != nil {
		_ = closeLocks(locks, f, s.id)
		return nil, err
	}
	if err := s.settled(); err != nil {
		s.leave(s.Self())
		_ = closeLocks(locks, f, s.id)
		return nil, err
	}
	return s.record(), nil
}

// enter takes a slot. That all are taken may mean that somebody removes the segment, who holds all of
// them for the moment that it takes: then the segment is gone, or its slots are free, soon after.
func (s *Segment) enter(as string) error {
	start := time.Now()
	for full := 0; ; {
		if ok, err := s.takeSlot(as); ok || err != nil {
			return err
		}
		if s.name != "" && !linked(s.file) {
			return ErrNotExist
		}
		removing, err := liveness.Held(s.locks, removerByte)
		switch {
		case err != nil:
			return fmt.Errorf("probe for a removal: %w", err)
		case removing && time.Since(start) > removalPatience:
			return fmt.Errorf("somebody has been removing it for %v: %w", removalPatience, ErrInUse)
		case removing:
			time.Sleep(removalPoll)
			full = 0
		case full > 0: // a removal that ended right before the probe has left slots free for the second look
			return fmt.Errorf("all of %d are taken: %w", s.slots, ErrFull)
		default:
			full++
		}
	}
}

// takeSlot takes a free slot if there is one: its byte's lock, which decides between processes, and
// then its words.
func (s *Segment) takeSlot(as string) (bool, error) {
	h := s.m.header()
	first := (h.nextSlot.Add(1) - 1) % s.slots
	for k := range s.slots {
		i := (first + k) % s.slots
		if s.slot(i).state.Load()&0xff == slotRetired {
			continue
		}
		ok, err := liveness.TryLock(s.locks, lockBase+int64(i), 1)
		if err != nil {
			return false, fmt.Errorf("lock slot %d: %w", i, err)
		}
		if !ok {
			continue
		}
		if s.occupy(i, as) {
			h.nextSlot.Store(i + 1)
			return true, nil
		}
		if err := liveness.Unlock(s.locks, lockBase+int64(i), 1); err != nil {
			return false, fmt.Errorf("unlock slot %d: %w", i, err)
		}
	}
	return false, nil
}

// occupy makes slot i this process's. Its byte is locked.
func (s *Segment) occupy(i uint32, as string) bool {
	p := s.slot(i)
	state := p.state.Load()
	generation := uint32(state >> 8)
	self := makeOwner(i, generation+1)
	s.heap.self.Store(self.brief()) // who sweeps may have to go on with what the dead one had begun
	if p.allocated.Load() == allocatedBefore {
		s.sweepHeap(self) // as one had to who died here
	}
	if state&0xff == slotLive {
		s.sweepHeap(makeOwner(i, generation))
	}
	sweepSlot(s.m.header(), p, generation)
	if generation >= maxSlotGeneration {
		p.state.Store(slotState(generation, slotRetired))
		s.heap.self.Store(0)
		return false
	}
	p.pid = s.ident.Pid
	p.start = s.ident.Start
	p.namespace = s.ident.Namespace
	p.attached = time.Now().UnixNano()
	p.allocated.Store(0)
	s.heap.noted.Store(false)
	p.name = [participantName]byte{}
	copy(p.name[:], as)
	p.state.Store(slotState(generation+1, slotLive))
	s.mine = i
	s.self.Store(uint64(self))
	s.heapLock = s.LockAt(Line)
	return true
}

// maxSlotGeneration is the last generation of a slot; a slot that had it is never used again.
const maxSlotGeneration = 1<<32 - 2

func (s *Segment) slot(i uint32) *participant { return s.m.participant(i) }

// ID is the segment's identity, which Refs carry.
func (s *Segment) ID() uint64 { return s.id }

// Name is the name that the segment was made or opened with, "" if it has none.
func (s *Segment) Name() string { return s.name }

// Size is the size of the segment in bytes, its tables included.
func (s *Segment) Size() int64 { return int64(s.m.size()) }

// Self is this attach's Owner, 0 after Close.
func (s *Segment) Self() Owner { return Owner(s.self.Load()) }

// SelfWord is the word that Self reads: handles keep its address for their fast paths.
func (s *Segment) SelfWord() *atomic.Uint64 { return &s.self }

// Closed is closed by Close.
func (s *Segment) Closed() <-chan struct{} { return s.closed }

// IsClosed reports whether Close was called.
func (s *Segment) IsClosed() bool { return s.shut.Load() }

// unlessClosed is err, or ErrClosed if the segment was closed meanwhile: whatever was found wrong may
// then be the zeros that Close put there.
func (s *Segment) unlessClosed(err error) error {
	if err != nil && s.IsClosed() {
		return ErrClosed
	}
	return err
}

// Sound is err, or ErrClosed if the segment was closed: what was found wrong may be Close's zeros.
func (s *Segment) Sound(err error) error { return s.unlessClosed(err) }

// File returns a new descriptor of the segment's file, for a child to inherit, who attaches with
// FromFile. It has an open file description of its own, so it keeps nobody's slot.
func (s *Segment) File() (*os.File, error) {
	if s.IsClosed() {
		return nil, ErrClosed
	}
	f, err := s.handOut()
	return f, s.unlessClosed(err)
}

// closer is a function that Close calls, with an identity.
type closer struct{ f func() }

// OnClose has f called by Close, before the mapping is cut loose, or at once if Close was called;
// the result takes f off again.
func (s *Segment) OnClose(f func()) (remove func()) {
	c := &closer{f: f}
	if !s.BeforeClose(func() { s.closers[c] = struct{}{} }) {
		f()
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.closers, c)
	}
}

// BeforeClose calls f unless Close was called, and has Close wait for it: what f stores, others see. It reports whether
// it did.
func (s *Segment) BeforeClose(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.closers != nil
	if open {
		f()
	}
	return open
}

// Close ends this attach. It is a small death: calls under way return ErrClosed or meet zeros, and
// what this attach held is swept as if the process had been killed. It does not wait for others,
// and may be called again.
func (s *Segment) Close() error {
	var err error
	s.once.Do(func() { err = s.close() })
	return err
}

func (s *Segment) close() error {
	s.erase()
	self := s.Self()
	if race.Enabled {
		s.deaths().Release(0)
	}
	s.shut.Store(true) // before self, so that who finds no self finds that it is closed
	s.self.Store(0)
	s.heap.self.Store(0)
	close(s.closed)
	s.mu.Lock()
	closers, watches, views := s.closers, s.watches, s.views
	s.closers, s.watches, s.views = nil, nil, nil
	s.mu.Unlock()
	for c := range closers {
		c.f()
	}
	s.pokeAll()
	s.dismissHub()
	for _, w := range watches {
		w.Stop()
		<-w.Done()
	}
	for _, m := range views {
		if err := m.cutLoose(); err != nil {
			return err
		}
	}
	if err := s.m.cutLoose(); err != nil {
		return err
	}
	// Whoever allocates has asked for its memory by now, or gets ErrClosed.
	s.heap.growing.Lock()
	defer s.heap.growing.Unlock()
	s.heap.gone = true
	if self != 0 {
		s.leave(self)
	}
	return errors.Join(closeLocks(s.locks, s.file, s.id), s.file.Close())
}

// leave sweeps this attach's own slot, and then wakes those who may be waiting for something that
// it held: the process lives on, so no death is pushed to them. That is done through a new mapping,
// because the other one has been cut loose. If it fails, others find the byte free, and sweep. The
// mapping does not wait for the collector: it keeps the open file description, and that the lock on
// the slot's byte. All who sleep are woken, marked or not: a wake that was this attach's to pass on went to the zeros.
func (s *Segment) leave(self Owner) {
	// A child between fork and exec shares the open file description and would keep the byte held.
	defer func() { _ = liveness.Unlock(s.locks, lockBase+int64(self.slot()), 1) }()
	s.mu.Lock()
	points := slices.SortedFunc(maps.Values(s.points), func(a, b *Point) int { return cmp.Compare(a.off, b.off) })
	s.mu.Unlock()
	m, err := newMapping(s.file, s.Size(), false)
	if err != nil {
		return
	}
	left := &Segment{id: s.id, m: m, slots: s.slots, heap: heap{geometry: s.heap.geometry, m: m, file: s.file, limit: s.heap.limit}}
	left.closed = make(chan struct{})
	left.heap.self.Store(self.brief())
	left.sweepHeap(self)
	sweepSlot(m.header(), m.participant(self.slot()), self.generation())
	for _, p := range points {
		if left.heap.tenure(p.off) != p.tenure {
			continue // it was destroyed, and what lies there is somebody else's
		}
		e := m.event(p.off)
		e.Rouse()
		m.ring(s.slots, e.Joined(), p.off, noSlot)
	}
	_ = m.unmap()
}

// String names the segment for errors.
func (s *Segment) String() string {
	if s.name != "" {
		return fmt.Sprintf("%q", s.name)
	}
	return fmt.Sprintf("%016x", s.id)
}
