package ring

import "github.com/kindred-ipc/kindred/internal/segment"

// A seat belongs to a process from its first pop on, or from its first bias, to the end. If there are more processes than seats, the
// rest borrow one of the commons for each pop.
//
//	owner            to          who
//	0                owner       who pops for the first time; the commons: who pops
//	owner            0           who borrowed a common seat, or has counted what a dead owner lost
//	dead owner       owner       the next who needs a seat, or counts, after proof of death: settles its takes

// sit returns a seat to take with, counted from 1, and whether it is this process's own; 0 if none is free.
func (m *MPMC[T]) sit(how manner) (tag uint64, own bool, err error) {
	if tag := m.here.seat.Load(); tag != 0 {
		return uint64(tag), true, nil
	}
	m.here.mu.Lock()
	defer m.here.mu.Unlock()
	return m.sitDown(how)
}

// sitDown is sit for one who has m.here.mu.
func (m *MPMC[T]) sitDown(how manner) (tag uint64, own bool, err error) {
	if tag := m.here.seat.Load(); tag != 0 {
		return uint64(tag), true, nil
	}
	ask := how
	if !m.here.full.Load() {
		ask = asking
	}
	for i := commons; i < len(m.seats); i++ {
		if m.occupy(i, ask) {
			m.here.seat.Store(uint32(i + 1))
			return uint64(i + 1), true, nil
		}
	}
	m.here.full.Store(true)
	for i := range commons {
		if m.occupy(i, how) {
			return uint64(i + 1), false, nil
		}
	}
	return 0, false, nil
}

// occupy takes a seat that is nobody's, or whose owner is dead.
func (m *MPMC[T]) occupy(i int, how manner) bool {
	self, s := m.self.Load(), &m.seats[i]
	w := s.owner.Load()
	if self == 0 || w != 0 && (w == self || !m.gone(segment.OwnerOf(w), how)) {
		return false
	}
	if w != 0 {
		m.vacate(i, w)
	}
	if !s.owner.CompareAndSwap(w, self) {
		return false
	}
	m.reckon(i)
	return true
}

// keep has the seat remember the take that head names, whose the head does so no longer, unless it is done.
func (s *seat) keep(lane, head uint64) {
	take := &s.takes[lane]
	at := head &^ seatMask
	// A take that is later tells that this one was done: the head was swapped since it was read.
	if w := take.Load(); w>>endShift < head>>endShift {
		// If the swap fails, the owner's store of done came before it, or another's swap to open.
		take.CompareAndSwap(w, at|takeOpen)
	}
}

// reckon counts what an owner of seat i that is dead had taken and not returned. The caller owns the seat.
// It can be done again from any point on.
func (m *MPMC[T]) reckon(i int) {
	s := &m.seats[i]
	for k := range s.marks {
		s.marks[k].Store(0) // behind the owner: see (*MPMC).revoke
	}
	for k := range m.lanes {
		head := m.lanes[k].head.Load()
		take := &s.takes[k]
		if head&seatMask == uint64(i+1) {
			s.keep(uint64(k), head)
		}
		w := take.Load()
		if w&seatMask == takeOpen {
			s.target.Store(s.lost.Load() + countOf(w))
			take.Store(w - takeOpen + takeFold)
			w = take.Load()
		}
		if w&seatMask == takeFold {
			s.lost.Store(s.target.Load())
			take.Store(w - takeFold + takeDone)
		}
	}
}

// countOf is how many values a take took.
func countOf(take uint64) uint64 { return take>>seatBits&(maxTake-1) + 1 }

// Lost is how many values were taken by processes that died before they had returned them to their callers:
// at most 8 for each goroutine that was popping then. They are out of the ring, and nobody got them, but for
// those that were killed right on the return. It counts what it meets of the dead.
func (m *MPMC[T]) Lost() int {
	var n uint64
	for i := range m.seats {
		s := &m.seats[i]
		if w := s.owner.Load(); w != 0 && w != m.self.Load() && m.occupy(i, asking) {
			s.owner.Store(0)
			m.lookAtCrowd()
		}
		n += s.lost.Load()
	}
	return int(n)
}
