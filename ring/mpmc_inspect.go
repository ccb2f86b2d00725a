package ring

import (
	"fmt"
	"strings"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// MPMCInfo is what a ring of any number of ends looks like to an observer of its segment. Values may come and
// go while it is made, so its parts need not be of one moment.
type MPMCInfo struct {
	Kind     string         `json:"kind"`
	Capacity uint64         `json:"capacity"`
	Element  uint64         `json:"element"` // bytes that a value takes in its slot
	Used     uint64         `json:"used"`
	Closed   bool           `json:"closed"`
	Lost     uint64         `json:"lost"`    // as far as it was counted
	Popping  int            `json:"popping"` // processes that have a seat
	Lanes    []LaneInfo     `json:"lanes"`
	Asleep   SleepersOfMPMC `json:"asleep"`
}

// LaneInfo is one lane of such a ring.
type LaneInfo struct {
	Used   uint64              `json:"used"`
	Quota  uint64              `json:"quota"`
	Popped uint64              `json:"popped"` // values that were ever taken from it
	Pusher segment.Participant `json:"pusher"` // who has it locked at the moment; Owner 0: nobody
}

// SleepersOfMPMC says where somebody may be asleep.
type SleepersOfMPMC struct {
	Items bool `json:"items"` // until there is something to pop
	Room  bool `json:"room"`  // until there is room
}

// String tells the state in words.
func (i MPMCInfo) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d values of %d bytes in %d lanes; %d processes pop", i.Used, i.Capacity, i.Element, len(i.Lanes), i.Popping)
	for k, l := range i.Lanes {
		if l.Pusher.Owner != 0 {
			fmt.Fprintf(&b, "; lane %d locked by %s", k, l.Pusher)
		}
	}
	for _, part := range []struct {
		is   bool
		text string
	}{{i.Closed, "closed"}, {i.Asleep.Items, "some wait for values"}, {i.Asleep.Room, "some wait for room"}} {
		if part.is {
			b.WriteString("; " + part.text)
		}
	}
	if i.Lost > 0 {
		fmt.Fprintf(&b, "; %d lost", i.Lost)
	}
	return b.String()
}

// InspectMPMC is for tools of this module: it describes o, such a ring in a segment that was opened for
// observation, and changes nothing. It fails with ErrCorrupt, and with shm.ErrKind for other objects.
func InspectMPMC(o segment.Object) (MPMCInfo, error) {
	if o.Kind() != segment.KindMPMC {
		return MPMCInfo{}, fmt.Errorf("a %s: %w", o.Kind(), segment.ErrKind)
	}
	p, err := planIn(o)
	if err != nil {
		return MPMCInfo{}, err
	}
	h := hallIn(o)
	i := MPMCInfo{
		Kind: o.Kind().String(), Capacity: p.capacity, Element: p.stride - minSlot, Closed: h.closed.Load() != 0,
		Asleep: SleepersOfMPMC{Items: h.items.Asleep(), Room: h.room.Asleep()},
	}
	quotas := h.quotas.Load()
	all := seatsIn(o, p.lanes, seats)
	for k := range p.lanes {
		l := laneIn(o, k)
		position := frontOf(l, all)
		used := written(position, p.size, func(slot uint64) uint64 { return p.sequence(o, k, slot) }) - position
		i.Used += used
		i.Lanes = append(i.Lanes, LaneInfo{
			Used: used, Quota: quotaIn(quotas, p.lanes, uint64(k)), Popped: position,
			Pusher: o.Segment().Participant(pusher(all, l.lock.Load())),
		})
	}
	i.Used = min(i.Used, i.Capacity)
	for k := range all {
		i.Lost += all[k].lost.Load()
		if all[k].owner.Load() != 0 {
			i.Popping++
		}
	}
	return i, nil
}

// pusher is who has a lane with that lock, for whatever it does there.
func pusher(all []seat, lock uint64) segment.Owner {
	if state := lock >> lockState & stateMask; state == stateBiased || state == stateDrained {
		if set, err := pushing(all, lock); err != nil || !set {
			return 0
		}
	}
	return segment.OwnerOf(lock)
}

func (p plan) sequence(o segment.Object, lane int, slot uint64) uint64 {
	return sequenceAt(o, p.data+uint64(lane)*p.lane+slot*p.stride).Load()
}

// checkMPMC is Check of such a ring.
func checkMPMC(o segment.Object) error {
	p, err := planIn(o)
	if err != nil {
		return err
	}
	h := hallIn(o)
	if quotas := h.quotas.Load(); sumOf(quotas, p.lanes) != p.capacity {
		return fmt.Errorf("quotas %#x of a ring of %d: %w", quotas, p.capacity, ErrCorrupt)
	}
	if closed, crowd, eager := h.closed.Load(), h.crowd.Load(), h.eager.Load(); closed > 1 || crowd > 1 || eager > 1 {
		return fmt.Errorf("closed %#x, crowd %#x, eager %#x: %w", closed, crowd, eager, ErrCorrupt)
	}
	all := seatsIn(o, p.lanes, seats)
	for k := range p.lanes {
		l := laneIn(o, k)
		lock := l.lock.Load()
		if lock>>lockState&stateMask != stateLocked {
			if _, err := pushing(all, lock); err != nil {
				return fmt.Errorf("lane %d: %w", k, err)
			}
			lock = uint64(segment.OwnerOf(lock))
		}
		if err := checkHolder(o, fmt.Sprintf("lane %d", k), lock); err != nil {
			return err
		}
		head := l.head.Load()
		if head>>headState&stateMask != stateLocked {
			if _, _, err := claimed(all, head); err != nil && l.head.Load() == head {
				return fmt.Errorf("lane %d: %w", k, err)
			}
		} else if head&seatMask > seats || head&seatMask == 0 && head&^(1<<endShift-1) != head {
			return fmt.Errorf("lane %d has head %#x: %w", k, head, ErrCorrupt)
		}
		if err := checkPlaces(p.size, func() uint64 { return frontOf(l, all) },
			func(slot uint64) uint64 { return p.sequence(o, k, slot) }); err != nil {
			return fmt.Errorf("lane %d: %w", k, err)
		}
	}
	for i := range all {
		s := &all[i]
		if err := checkHolder(o, fmt.Sprintf("seat %d", i+1), s.owner.Load()); err != nil {
			return err
		}
		for k := range p.lanes {
			// The head is stored before what a seat keeps of it.
			take := s.takes[k].Load()
			end := frontOf(laneIn(o, k), all)
			if take>>endShift > end || take&seatMask > takeFold || take != 0 && take&seatMask == takeNone {
				return fmt.Errorf("seat %d has take %#x from lane %d, which is at %d: %w", i+1, take, k, end, ErrCorrupt)
			}
		}
	}
	return nil
}

// checkHolder sees to it that a word is an owner without flags.
func checkHolder(o segment.Object, what string, word uint64) error {
	if word != uint64(segment.OwnerOf(word)) {
		return fmt.Errorf("%s in state %#x: %w", what, word, ErrCorrupt)
	}
	if err := o.Segment().CheckOwner(segment.OwnerOf(word)); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
