package queue

import (
	"errors"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// The state of a link:
//
//	from              to                who
//	free              making, dialler   who dials
//	making, dialler   asking, dialler   the same, when the rings are there and he has his ends of them
//	asking, dialler   answering, owner  who listens
//	answering, owner  linked, serial    the same, when he has his ends, too
//	asking, dialler   clearing, owner   the dialler, who gives up
//	any, dead owner   clearing, owner   anybody; of answering, when the end of the dialler is nobody's
//	linked, serial    clearing, owner   who left the second end, or anybody, when both ends are nobody's
//	clearing, owner   free              the same, when the rings are gone
//
// An end is nobody's when its word is 0, or names one who is dead. Rings are named by their places, which have generations: so
// to clear a link can be begun again.

// calls are the links of a listener, and what those wait at who ask and answer.
type calls struct {
	seg            *segment.Segment
	state          *listenerState
	links          []link
	asks, answered *segment.Point
}

// phaseOf is the phase of a link, and whose that is.
func phaseOf(state uint64) (phase uint64, owner segment.Owner) {
	return state & phaseMask, segment.OwnerOf(state)
}

// nobodys reports whether an end is nobody's.
func (c *calls) nobodys(end uint64) bool { return end == 0 || c.seg.Gone(segment.OwnerOf(end)) }

// forsaken reports whether a link that is in that state is to be cleared.
func (c *calls) forsaken(l *link, state uint64) bool {
	switch phase, owner := phaseOf(state); phase {
	case linkFree:
		return false
	case linkLinked:
		return c.nobodys(l.ends[0].Load()) && c.nobodys(l.ends[1].Load())
	case linkAnswering:
		return c.seg.Gone(owner) && c.nobodys(l.ends[0].Load())
	default:
		return c.seg.Gone(owner)
	}
}

// tidy clears a link if it is to be cleared.
func (c *calls) tidy(l *link) {
	if state := l.state.Load(); c.forsaken(l, state) {
		c.clear(l, state)
	}
}

// clear clears a link that is in that state.
func (c *calls) clear(l *link, state uint64) {
	mine := linkClearing | uint64(c.seg.Self())
	if !l.state.CompareAndSwap(state, mine) {
		return
	}
	for i := range l.rings {
		if place := l.rings[i].Load(); place != 0 {
			_ = c.seg.Destroy(segment.RefAt(c.seg, place)) // unless it is gone
			l.rings[i].Store(0)
		}
	}
	l.ends[0].Store(0)
	l.ends[1].Store(0)
	l.state.CompareAndSwap(mine, linkFree)
}

// claim makes a free link this process's, who dials.
func (c *calls) claim() (*link, error) {
	mine := linkMaking | uint64(c.seg.Self())
	for range 2 {
		for i := range c.links {
			if l := &c.links[i]; l.state.Load() == linkFree && l.state.CompareAndSwap(linkFree, mine) {
				l.serial.Store((l.serial.Load() + 1) &^ (0xffff << segment.FlagShift))
				return l, nil
			}
		}
		c.sweep()
	}
	return nil, ErrFull
}

// sweep clears what the dead have left.
func (c *calls) sweep() {
	for i := range c.links {
		c.tidy(&c.links[i])
	}
}

// leave gives an end of a link up that is, or was, linked.
func (c *calls) leave(l *link, end int, serial uint64) {
	if c.seg.Writable() != nil {
		return
	}
	l.ends[end].CompareAndSwap(uint64(c.seg.Self()), 0)
	if state := linkLinked | serial; l.state.Load() == state && c.forsaken(l, state) {
		c.clear(l, state)
	}
}

// makeRings makes those of a link that this process has claimed, and sweeps if there is no room.
func (c *calls) makeRings(seg *shm.Segment, l *link) (err error) {
	for range 2 {
		if err = c.tryRings(seg, l); !errors.Is(err, shm.ErrNoSpace) {
			break
		}
		c.sweep()
	}
	return err
}
