package sync

import (
	"context"
	"slices"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Event is a flag that processes wait for. It takes 24 bytes.
//
// Its word counts the times that it was set, and says whether it is: so a waiter goes on that was
// there when it was set, though it be cleared again before he looks.
//
//	from         to               who
//	2n           2n+3, "set"      Set
//	2n+1, "set"  2n               Clear
//
// The death of a process between the word and the wake-up is pushed to those who wait.
type Event struct {
	_ noCopy
	place
	state *EventState
	race  race.Word
	point *segment.Point
}

const isSet = 1

var eventShape = shapeOf[EventState](segment.KindEvent, 0)

// NewEvent makes an Event in seg, cleared. It fails with shm.ErrExist if the name is taken, and with
// shm.ErrNoSpace.
func NewEvent(seg *shm.Segment, opts ...shm.ObjectOption) (*Event, error) {
	return eventOf(eventShape.make(seg, nil, opts))
}

// OpenEvent finds the Event of that name. It fails with shm.ErrNotExist, and with shm.ErrKind if
// something else has the name.
func OpenEvent(seg *shm.Segment, name string) (*Event, error) {
	return eventOf(eventShape.open(seg, name))
}

// OpenOrNewEvent opens the Event of that name, or makes it, whoever else does the same. For its errors see
// OpenEvent and NewEvent.
func OpenOrNewEvent(seg *shm.Segment, name string, opts ...shm.ObjectOption) (*Event, error) {
	return segment.OrNew(func() (*Event, error) { return OpenEvent(seg, name) },
		func() (*Event, error) { return NewEvent(seg, append(slices.Clip(opts), shm.Named(name))...) })
}

// EventFrom returns the Event that ref names. It fails with shm.ErrStale if it is not in seg.
func EventFrom(seg *shm.Segment, ref shm.Ref) (*Event, error) {
	return eventOf(eventShape.from(seg, ref))
}

// EventAt returns the handle of an EventState that lies in seg, as part of a struct of the user's own.
// It fails with shm.ErrStale if it does not lie there.
func EventAt(seg *shm.Segment, state *EventState) (*Event, error) {
	p, err := eventShape.at(seg, state)
	return eventOf(p, state, err)
}

func eventOf(p place, state *EventState, err error) (*Event, error) {
	if err != nil {
		return nil, err
	}
	return &Event{place: p, state: state, race: race.At(p.seg.ID(), p.off),
		point: p.seg.Point(p.off+eventEvent, segment.Shared)}, nil
}

// Ref names the Event. It is zero if the handle came from EventAt.
func (e *Event) Ref() shm.Ref { return e.ref() }

// IsSet reports whether the event is set: a load of memory that is shared. A closed handle reports false.
func (e *Event) IsSet() bool {
	set := e.state.word.Load()&isSet != 0 && !e.seg.IsClosed() // behind Close, what is set are its zeros
	if race.Enabled && set {
		e.race.Acquire(0)
	}
	return set
}

// Set sets the event, and lets all go on who wait for it. It never blocks. It fails with shm.ErrClosed
// and shm.ErrReadOnly.
func (e *Event) Set() error {
	if err := e.seg.Writable(); err != nil {
		return e.wrap("set", err)
	}
	if race.Enabled {
		e.race.Release(0)
	}
	for {
		w := e.state.word.Load()
		if w&isSet != 0 || e.state.word.CompareAndSwap(w, w+2|isSet) {
			break
		}
	}
	// Also where it was set: whoever set it may have died, or be stopped, before this.
	e.point.Broadcast()
	return e.wrap("set", e.seg.Writable()) // Close may have put its zeros under the word
}

// Clear takes the event back: from now on Wait waits. It never blocks. It fails with shm.ErrClosed and
// shm.ErrReadOnly.
func (e *Event) Clear() error {
	if err := e.seg.Writable(); err != nil {
		return e.wrap("clear", err)
	}
	e.state.word.And(^uint64(isSet))
	return e.wrap("clear", e.seg.Writable())
}

// Wait blocks until the event is set, or was set since the call began, or ctx is over. It fails with
// shm.ErrClosed and the context's error.
func (e *Event) Wait(ctx context.Context) error {
	if e.IsSet() {
		return nil
	}
	return e.waitSlow(ctx)
}

func (e *Event) waitSlow(ctx context.Context) error {
	if err := e.seg.Writable(); err != nil {
		return e.wrap("wait for", err)
	}
	first := e.state.word.Load()
	err := e.point.Wait(ctx, segment.Wait{Apart: true, Try: func() bool {
		w := e.state.word.Load()
		return (w&isSet != 0 || w != first) && !e.seg.IsClosed() // others may have come after it was cleared
	}})
	if race.Enabled && err == nil {
		e.race.Acquire(0)
	}
	return e.wrap("wait for", err)
}

// Waits is for queue.Select, which returns when the event is set.
func (e *Event) Waits() segment.Waits {
	return segment.Waits{Points: []*segment.Point{e.point}, Ready: func() bool { return e.IsSet() || e.seg.Self() == 0 }}
}

// EventInfo is what an Event looks like to an observer of its segment.
type EventInfo struct {
	Set    bool   `json:"set"`
	Times  uint64 `json:"times"`  // it was set so far
	Waited bool   `json:"waited"` // somebody may be asleep
}

// String tells the state in words.
func (e EventInfo) String() string {
	s := "unset"
	if e.Set {
		s = "set"
	}
	return waited(s, e.Waited)
}

func (e *EventState) info() EventInfo {
	w := e.word.Load()
	return EventInfo{Set: w&isSet != 0, Times: w >> 1, Waited: e.event.Asleep()}
}
