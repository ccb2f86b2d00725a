package ring

import (
	"fmt"
	"math"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Info is what a ring looks like to an observer of its segment. Values or records may come and go
// while it is made, so its parts need not be of one moment.
type Info struct {
	Kind     string `json:"kind"`
	Capacity uint64 `json:"capacity"` // values, or bytes of records with their headers
	Element  uint64 `json:"element"`  // bytes that a value takes in its slot; 0 in a ring of bytes
	Used     uint64 `json:"used"`     // like Capacity: what the reader has not taken yet
	Records  uint64 `json:"records"`  // values, or records
	Busy     bool   `json:"busy"`     // records came and went too fast to be counted: Used and Records are 0
	Writer   Side   `json:"writer"`
	Reader   Side   `json:"reader"`
}

// Side is one end of a ring.
type Side struct {
	Holder segment.Participant `json:"holder"` // Owner 0: nobody
	Closed bool                `json:"closed"`
	Asleep bool                `json:"asleep"` // it may be asleep, until there is room or something to read
}

// String tells the state in words.
func (i Info) String() string {
	fill := fmt.Sprintf("%d of %d values of %d bytes", i.Used, i.Capacity, i.Element)
	switch {
	case i.Busy:
		fill = fmt.Sprintf("busy, %d bytes", i.Capacity)
	case i.Element == 0:
		fill = fmt.Sprintf("%d records in %d of %d bytes", i.Records, i.Used, i.Capacity)
	}
	return fmt.Sprintf("%s; writer: %s; reader: %s", fill, i.Writer, i.Reader)
}

// String tells the state in words.
func (s Side) String() string {
	text := s.Holder.String()
	if s.Closed {
		text += ", closed"
	}
	if s.Asleep {
		text += ", asleep"
	}
	return text
}

// Inspect is for tools of this module: it describes o, a ring in a segment that was opened for
// observation, and changes nothing. It fails with ErrCorrupt, and with shm.ErrKind for other objects.
func Inspect(o segment.Object) (Info, error) {
	i := Info{Kind: o.Kind().String()}
	switch o.Kind() {
	case segment.KindSPSC:
		n, stride, err := slotsOf(o)
		if err != nil {
			return Info{}, err
		}
		i.Capacity, i.Element = n, stride-minSlot
		position := controlIn(o).position.Load()
		i.Used = written(position, n, func(slot uint64) uint64 { return sequence(o, slot, stride).Load() }) - position
		i.Records = i.Used
	case segment.KindBytes:
		b, err := observeBytes(o)
		if err != nil {
			return Info{}, err
		}
		i.Capacity = b.size
		if i.Used, i.Records, i.Busy, err = b.count(); err != nil {
			return Info{}, err
		}
	default:
		return Info{}, fmt.Errorf("a %s: %w", o.Kind(), segment.ErrKind)
	}
	c := controlIn(o)
	closed := c.closed.Load()
	i.Writer = Side{
		Holder: o.Segment().Participant(segment.OwnerOf(c.writer.Load())),
		Closed: closed&closedWriter != 0,
		Asleep: c.room.Asleep(),
	}
	i.Reader = Side{
		Holder: o.Segment().Participant(segment.OwnerOf(c.reader.Load())),
		Closed: closed&closedReader != 0,
		Asleep: c.items.Asleep(),
	}
	return i, nil
}

// observeBytes is a ring mapped once, for its headers alone: they never cross the ring's end.
func observeBytes(o segment.Object) (*Bytes, error) {
	if err := o.Expect(segment.KindBytes, bytesLayout()); err != nil {
		return nil, err
	}
	n, err := bytesIn(o)
	if err != nil {
		return nil, err
	}
	return &Bytes{
		seg: o.Segment(), object: o, control: controlIn(o), data: o.Bytes()[controlSize : controlSize+n], size: n,
	}, nil
}

// tries is how often an observer begins anew when the reader moved under it.
const tries = 100

// count walks over the records that are there. Behind the reader's position anything may stand,
// because the writer uses that room again, so a walk counts only if the reader stood still.
func (b *Bytes) count() (used, records uint64, busy bool, err error) {
	for range tries {
		start, err := b.read()
		if err != nil {
			return 0, 0, false, err
		}
		end, n, err := b.walk(start, math.MaxInt)
		if b.control.position.Load() == start {
			return end - start, uint64(n), false, err
		}
	}
	return 0, 0, true, nil
}

// Check is for tools of this module: it holds the ring's words against each other, and may run beside
// others at work: whatever they do, in whatever order it is seen, is no damage. It changes nothing.
func Check(o segment.Object) error {
	if o.Kind() == segment.KindBroadcast {
		return checkBroadcast(o)
	}
	if o.Kind() == segment.KindMPMC {
		return checkMPMC(o)
	}
	if _, err := Inspect(o); err != nil {
		return err
	}
	c := controlIn(o)
	for _, end := range []struct {
		name string
		word uint64
	}{{"writing", c.writer.Load()}, {"reading", c.reader.Load()}} {
		if end.word != uint64(segment.OwnerOf(end.word)) {
			return fmt.Errorf("%s end in state %#x: %w", end.name, end.word, ErrCorrupt)
		}
		if err := o.Segment().CheckOwner(segment.OwnerOf(end.word)); err != nil {
			return fmt.Errorf("%s end: %w", end.name, err)
		}
	}
	if closed := c.closed.Load(); closed&^(closedWriter|closedReader) != 0 {
		return fmt.Errorf("ends closed %#x: %w", closed, ErrCorrupt)
	}
	// The reader stores position before given.
	if given, position := c.given.Load(), c.position.Load(); given > position {
		return fmt.Errorf("given back up to %d, read up to %d: %w", given, position, ErrCorrupt)
	}
	if o.Kind() == segment.KindSPSC {
		return checkSlots(o)
	}
	return nil
}

// checkSlots looks at each slot's sequence.
func checkSlots(o segment.Object) error {
	n, stride, err := slotsOf(o)
	if err != nil {
		return err
	}
	return checkPlaces(n, controlIn(o).position.Load, func(slot uint64) uint64 { return sequence(o, slot, stride).Load() })
}

// checkPlaces looks at the sequences of n slots. Slot i holds, of the positions that are i modulo n, one from
// the last lap that was read on, and none from beyond the room.
func checkPlaces(n uint64, position func() uint64, sequence func(slot uint64) uint64) error {
	for i := range n {
		before := position()
		s := sequence(i)
		after := position()
		at := s - 1
		unused := s == 0 && i >= before
		used := s != 0 && at%n == i && at < after+n && at+n >= before
		if !unused && !used {
			return fmt.Errorf("slot %d has sequence %d, reader at %d: %w", i, s, after, ErrCorrupt)
		}
	}
	return nil
}
