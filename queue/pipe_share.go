package queue

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// Each handle of an end has a hold, and so has each End that is on its way: a block that keeps the pipe, as long as there is the block
// (segment.Block.Keep). The pipe is nobody's beside that: the last hold takes it along, whoever frees it, or dies with it.
//
//	hold        from        who
//	draft p     nothing     NewPipe, (*Pipe).End, Resolve, Hold
//	settled     draft p     (*Pipe).End, behind the hold is in a share: it is on its way
//	draft p     settled     PipeFrom: the handle is p's
//	free        draft p     whoever sweeps p, who died; or p, when its handle is collected: until then, a call that has begun may go on
//
// Whether an end is somebody's is another matter, since a handle that is closed still has its hold. A hold counts as long as a share of the end
// has its place. Of a block that was freed, it counts for nothing.
//
//	share                   to                 who
//	0, or a freed block's   a hold's           who makes a handle, but for PipeFrom
//	0, or a freed block's   a hold's, moving   (*Pipe).End; who puts a message that has the end
//	a hold's, moving        a hold's           PipeFrom
//	a hold's                0                  Close, or who collects a handle that was not closed
//
// An end of which no share counts is deserted: who receives from it drains what there is, and gets io.EOF. Each of these is one swap; so whoever dies
// has done it, or not.

// End is an end of a pipe on its way to another process: in a queue, in the arguments of a child, in whatever carries plain
// memory. See (*Pipe).End and PipeFrom.
type End struct {
	Pipe  shm.Ref
	Hold  uint64
	Side  uint32
	Share uint32
}

// side is one of the two ends of a pipe.
type side struct {
	seg    *segment.Segment
	shares *[shares]word.Uint64
	serial *word.Uint64            // of the pipe: see add
	known  atomic.Pointer[witness] // somebody who had a share when last was looked
}

// witness is a share of a handle.
type witness struct {
	share *word.Uint64
	place uint64 // of its hold, which is one owner's as long as there is it
	owner segment.Owner
}

// newHold makes a hold of a pipe, which is this process's.
func newHold(o segment.Object) (segment.Block, error) {
	b, err := o.Segment().Alloc(segment.KeepHead(1), 0)
	if err != nil {
		return b, err
	}
	if err := b.Keep([]uint64{o.Place()}); err != nil {
		_ = b.Free()
		return b, err
	}
	return b, nil
}

// holder is whose hold has that place, 0 if it is on its way, and whether there is one.
func (s *side) holder(place uint64) (o segment.Owner, there bool) {
	if place == 0 {
		return 0, false
	}
	b, err := s.seg.BlockAt(place) // which leaves out the mark
	if err != nil {
		return 0, false
	}
	return b.Holder()
}

// counts reports whether a share counts, as far as gone knows who is dead, and whose it was when it was looked at. A hold that is on its way changes
// hands, and who had it may die behind that: then it is looked at again.
func (s *side) counts(share *word.Uint64, gone func(segment.Owner) bool) (o segment.Owner, place uint64, ok bool) {
	for {
		place = share.Load()
		o, there := s.holder(place)
		if !there {
			return 0, place, false
		}
		if o == 0 || o == s.seg.Self() || !gone(o) {
			return o, place, true
		}
		if now, there := s.holder(share.Load()); !there || now == o {
			return o, place, false
		}
	}
}

// claim has a share be w, and returns its number.
func (s *side) claim(w uint64) (uint32, error) {
	for _, gone := range []func(segment.Owner) bool{func(segment.Owner) bool { return false }, s.seg.Gone} {
		for i := range s.shares {
			_, was, taken := s.counts(&s.shares[i], gone)
			if !taken && s.shares[i].CompareAndSwap(was, w) {
				return uint32(i), nil
			}
		}
	}
	return 0, fmt.Errorf("%d of them: %w", shares, ErrShares)
}

// add is claim for an end that this process has. The serial moves once more when the share is there: who looks for shares meanwhile has perhaps
// looked past this one, and does not find that of its maker any more, who closes.
func (s *side) add(w uint64) (share uint32, err error) {
	s.serial.Add(1)
	share, err = s.claim(w)
	s.serial.Add(1) // pairs with the loads in deserted
	return share, err
}

// take makes a hold of the pipe, which is this process's, with a share in which the mark is set.
func (s *side) take(o segment.Object, mark uint64) (b segment.Block, share uint32, err error) {
	if b, err = newHold(o); err != nil {
		return b, 0, err
	}
	if share, err = s.add(b.Place() | mark); err != nil {
		_ = b.Free()
	}
	return b, share, err
}

// pass makes a hold that is on its way.
func (s *side) pass(o segment.Object) (b segment.Block, share uint32, err error) {
	if b, share, err = s.take(o, moving); err == nil {
		err = b.Settle()
	}
	return b, share, err
}

// shared reports whether another share counts than that one, as far as can be found out.
func (s *side) shared(but uint32) bool {
	for i := range s.shares {
		if uint32(i) == but {
			continue
		}
		if _, _, ok := s.counts(&s.shares[i], s.seg.Gone); ok {
			return true
		}
	}
	return false
}

// deserted reports whether no share of it counts, as far as gone knows who is dead. While an End is made, somebody has one.
func (s *side) deserted(gone func(segment.Owner) bool) bool {
	serial := s.serial.Load()
	for i := range s.shares {
		o, place, ok := s.counts(&s.shares[i], gone)
		if !ok {
			continue
		}
		if w := s.known.Load(); o != 0 && place&moving == 0 && (w == nil || w.place != place) {
			s.known.Store(&witness{&s.shares[i], place, o})
		}
		return false
	}
	if s.serial.Load() != serial {
		return false
	}
	s.known.Store(nil) // his hold may be swept a moment before his death is told
	return true
}

// attended reports whether who had a share when last was looked has it still, and is not known to be dead: then it is not deserted.
func (s *side) attended() bool {
	w := s.known.Load()
	return w != nil && w.share.Load() == w.place && !s.seg.Swept(w.owner)
}

// someone is one of another attach who has a share, of whose death is nothing known; 0: there is nobody.
func (s *side) someone() segment.Owner {
	for i := range s.shares {
		if o, there := s.holder(s.shares[i].Load()); there && o != 0 && o != s.seg.Self() && !s.seg.Swept(o) {
			return o
		}
	}
	return 0
}

// remains is what there is of a handle that is collected.
type remains struct {
	others
	hold   segment.Block
	share  *word.Uint64
	closed *atomic.Bool
}

// retired is how many handles are closed and not collected, in this process. When there are so many, they are.
var retired atomic.Int64

const muchRetired = 64

// holdBy has the handle have a hold that is in a share of its end.
func (p *pipe) holdBy(b segment.Block, share uint32) {
	p.held, p.share, p.retired = b.Place(), &p.here.shares[share], new(atomic.Bool)
	p.cleanup = runtime.AddCleanup(p, remains.end, remains{p.others(), b, p.share, p.retired})
}

// end closes a handle that nobody has closed, and frees its hold.
func (r remains) end() {
	if r.closed.Load() {
		retired.Add(-1)
	} else if r.share.CompareAndSwap(r.hold.Place(), 0) {
		r.rouse()
	}
	_ = r.hold.Free() // unless the segment is closed, and so has been swept
}

// collect has handles collected that are closed, whose pipes take memory of the segment, and reports whether there is one less.
func collect() bool {
	before := retired.Load()
	if before == 0 {
		return false
	}
	for range 3 {
		runtime.GC()
		for range 100 {
			if retired.Load() < before {
				return true
			}
			time.Sleep(100 * time.Microsecond) // cleanups have a goroutine of their own
		}
	}
	return false
}

// others are where those wait who have the other end, nil where they do not.
type others struct{ room, items *segment.Point }

func (p *pipe) others() (o others) {
	if p.out.queue != nil {
		o.items = p.out.items
	}
	if p.in.queue != nil {
		o.room = p.in.room
	}
	return o
}

// rouse has them look.
func (o others) rouse() {
	for _, at := range []*segment.Point{o.items, o.room} {
		if at != nil {
			at.Rouse()
		}
	}
}
