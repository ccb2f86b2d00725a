package queue

import (
	"fmt"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// Each handle of an end has a share of it, which is a word of pipeState.ends, and so has each End that is on its way. An end
// that nobody has a share of is deserted: who receives from it drains what there is, and gets io.EOF.
//
//	share                from             to
//	0, or dead owner     owner            NewPipe
//	0, or dead owner     passing, serial  (*Pipe).End
//	passing, serial      owner            PipeFrom, of the End with that serial
//	owner                0                Close
//
// Each is one swap; so whoever dies has done it, or not. A share of one whose death is proven counts for nothing.

// End is an end of a pipe on its way to another process: in a queue, in the arguments of a child, in whatever carries plain
// memory. See (*Pipe).End and PipeFrom.
type End struct {
	Pipe   shm.Ref
	Side   uint32
	Share  uint32
	Serial uint64
}

// side is one of the two ends of a pipe.
type side struct {
	seg    *segment.Segment
	shares *[shares]word.Uint64
	serial *word.Uint64  // of the pipe: see pass
	known  atomic.Uint32 // a share that was somebody's
}

// claim has a share be w, and returns its number.
func (s *side) claim(w uint64) (uint32, error) {
	for _, gone := range []func(segment.Owner) bool{func(segment.Owner) bool { return false }, s.seg.Gone} {
		for i := range s.shares {
			was := s.shares[i].Load()
			if was != 0 && (was&passing != 0 || !gone(segment.OwnerOf(was))) {
				continue
			}
			if s.shares[i].CompareAndSwap(was, w) {
				return uint32(i), nil
			}
		}
	}
	return 0, fmt.Errorf("%d of them: %w", shares, ErrShares)
}

// pass makes a share for an End that goes on its way, and returns its number and serial. The serial moves once more when the share is
// there: who looks for shares meanwhile has perhaps looked past this one, and does not find that of its maker any more, who
// closes.
func (s *side) pass() (share uint32, serial uint64, err error) {
	serial = s.serial.Add(1) &^ passing
	share, err = s.claim(passing | serial)
	s.serial.Add(1) // pairs with the loads in deserted
	return share, serial, err
}

// deserted reports whether nobody has a share of it, as far as gone knows who is dead. While an End is made, somebody has one.
func (s *side) deserted(gone func(segment.Owner) bool) bool {
	serial := s.serial.Load()
	for i := range s.shares {
		if w := s.shares[i].Load(); w != 0 && (w&passing != 0 || segment.OwnerOf(w) == s.seg.Self() || !gone(segment.OwnerOf(w))) {
			s.known.Store(uint32(i))
			return false
		}
	}
	return s.serial.Load() == serial
}

// attended reports whether who had a share when last was looked has it still, and is not known to be dead: then it is not deserted.
func (s *side) attended() bool {
	w := s.shares[s.known.Load()%shares].Load()
	return w != 0 && w&passing == 0 && !s.seg.Swept(segment.OwnerOf(w))
}

// someone is one of another attach who has a share, of whose death is nothing known; 0: there is nobody.
func (s *side) someone() segment.Owner {
	for i := range s.shares {
		w := s.shares[i].Load()
		if o := segment.OwnerOf(w); w != 0 && w&passing == 0 && o != s.seg.Self() && !s.seg.Swept(o) {
			return o
		}
	}
	return 0
}
