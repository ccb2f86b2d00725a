package ring

import (
	"fmt"
	"strings"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// BroadcastInfo is what a Broadcast looks like to an observer of its segment. Records may come while it is
// made, so its parts need not be of one moment. Subscribers that do not hold writers up are not in it: they
// leave no trace.
type BroadcastInfo struct {
	Capacity uint64            `json:"capacity"` // records that are kept at least
	Element  uint64            `json:"element"`  // bytes that a record takes in its slot
	Oldest   uint64            `json:"oldest"`   // sequence of the oldest record
	Next     uint64            `json:"next"`     // and of the next that will be pushed
	Closed   bool              `json:"closed"`
	Writers  []BroadcastPlace  `json:"writers"`
	Blocking []BroadcastPlace  `json:"blocking"` // subscribers that hold writers up
	Asleep   BroadcastSleepers `json:"asleep"`
}

// BroadcastPlace is a writer, or a subscriber that holds writers up.
type BroadcastPlace struct {
	Holder segment.Participant `json:"holder"`
	Turn   bool                `json:"turn"`   // it is this writer's turn
	Busy   bool                `json:"busy"`   // this writer is at a push
	Behind uint64              `json:"behind"` // records that this subscriber has not read
}

// BroadcastSleepers says who may be asleep.
type BroadcastSleepers struct {
	Subscribers bool `json:"subscribers"` // until there is a record
	Writers     bool `json:"writers"`     // until there is room, or it is their turn
}

// String tells the state in words.
func (i BroadcastInfo) String() string {
	s := fmt.Sprintf("records %d to %d of %d bytes, at least %d are kept", i.Oldest, i.Next, i.Element, i.Capacity)
	if i.Closed {
		s += ", closed"
	}
	for _, w := range i.Writers {
		s += "; writer: " + w.Holder.String()
		if w.Turn {
			s += ", has the turn"
		}
	}
	for _, b := range i.Blocking {
		s += fmt.Sprintf("; blocking: %s, %d behind", b.Holder, b.Behind)
	}
	var asleep []string
	if i.Asleep.Subscribers {
		asleep = append(asleep, "subscribers")
	}
	if i.Asleep.Writers {
		asleep = append(asleep, "writers")
	}
	if len(asleep) > 0 {
		s += "; asleep: " + strings.Join(asleep, ", ")
	}
	return s
}

// observeBroadcast is a ring of records of whatever type.
func observeBroadcast(o segment.Object) (*cast, extent, error) {
	if o.Kind() != segment.KindBroadcast {
		return nil, extent{}, fmt.Errorf("a %s: %w", o.Kind(), segment.ErrKind)
	}
	s, err := extentOf(o)
	if err != nil {
		return nil, s, err
	}
	return &cast{
		seg: o.Segment(), place: o.Place(), control: broadcastIn(o), slots: s.slots, lead: lead(s.capacity),
		sequence: func(p uint64) uint64 { return broadcastSequence(o, p%s.slots, s.stride).Load() },
	}, s, nil
}

// InspectBroadcast is for tools of this module: it describes o, a Broadcast in a segment that was opened for
// observation, and changes nothing. It fails with ErrCorrupt, and with shm.ErrKind for other objects.
func InspectBroadcast(o segment.Object) (BroadcastInfo, error) {
	c, s, err := observeBroadcast(o)
	if err != nil {
		return BroadcastInfo{}, err
	}
	i := BroadcastInfo{Capacity: s.capacity, Element: s.stride - minSlot, Oldest: c.oldest()}
	if i.Next, err = c.written(); err != nil {
		return BroadcastInfo{}, err
	}
	i.Oldest = min(i.Oldest, i.Next)
	t := c.load()
	i.Closed = t&turnClosed != 0
	whose, _ := t.row()
	for k := range c.control.rows {
		r := &c.control.rows[k]
		owner, at := segment.OwnerOf(r.owner.Load()), r.at.Load()
		if owner == 0 {
			continue
		}
		p := BroadcastPlace{Holder: c.seg.Participant(owner), Turn: k == whose, Busy: r.busy.Load() != 0}
		if at == 0 {
			i.Writers = append(i.Writers, p)
			continue
		}
		if p.Behind = i.Next - (at - 1); p.Behind > s.slots {
			p.Behind = 0 // it moved meanwhile
		}
		i.Blocking = append(i.Blocking, p)
	}
	i.Asleep = BroadcastSleepers{
		Subscribers: c.control.items.Asleep(),
		Writers:     c.control.room.Asleep() || c.control.turns.Asleep(),
	}
	return i, nil
}

// checkBroadcast is Check.
func checkBroadcast(o segment.Object) error {
	c, s, err := observeBroadcast(o)
	if err != nil {
		return err
	}
	// Each of them only grows: tail first, then intent, and never so far that this one could be behind.
	tail := c.control.tail.Load()
	intent := c.control.intent.Load()
	if after := c.control.tail.Load(); intent < tail || intent-c.lead > after && intent > c.lead {
		return fmt.Errorf("written up to %d, announced up to %d: %w", after, intent, ErrCorrupt)
	}
	if used := c.control.used.Load(); used > maxRows {
		return fmt.Errorf("%d rows of %d: %w", used, maxRows, ErrCorrupt)
	}
	for k := range c.control.rows {
		r := &c.control.rows[k]
		w := r.owner.Load()
		if busy := r.busy.Load(); w&^settling != uint64(segment.OwnerOf(w)) || busy > 1 {
			return fmt.Errorf("row %d: owner %#x, busy %d: %w", k, w, busy, ErrCorrupt)
		}
		if err := c.seg.CheckOwner(segment.OwnerOf(w)); err != nil {
			return fmt.Errorf("row %d: %w", k, err)
		}
		at := r.at.Load()
		if high := c.control.intent.Load(); at > 0 && w != 0 && r.owner.Load() == w && at-1 > high {
			return fmt.Errorf("row %d: at record %d, announced up to %d: %w", k, at-1, high, ErrCorrupt)
		}
	}
	if i, held := c.load().row(); held && i >= maxRows {
		return fmt.Errorf("the turn of row %d of %d: %w", i, maxRows, ErrCorrupt)
	}
	return c.checkSlots(s)
}

// checkSlots looks at each slot's sequence. Slot i holds, of the records that are i modulo the slots, the
// last that was written or the one before, and no other.
func (c *cast) checkSlots(s extent) error {
	for i := range s.slots {
		before := c.control.tail.Load()
		n := c.sequence(i)
		after := c.control.intent.Load()
		at := n - 1
		unused := n == 0 && i >= before
		used := n != 0 && at%s.slots == i && at < after && at+s.slots >= before
		if !unused && !used {
			return fmt.Errorf("slot %d has sequence %d, written up to %d and announced up to %d: %w", i, n, before, after, ErrCorrupt)
		}
	}
	return nil
}
