package sync

import (
	"cmp"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// MutexInfo is what a Mutex looks like to an observer of its segment.
type MutexInfo struct {
	Holder  segment.Participant `json:"holder"`  // Owner 0: nobody
	Suspect bool                `json:"suspect"` // taken from a dead holder, and not marked consistent yet
	Lost    bool                `json:"lost"`    // not recoverable
	Waited  bool                `json:"waited"`  // somebody may be asleep
}

// String tells the state in words.
func (m MutexInfo) String() string {
	s := "free"
	switch {
	case m.Lost:
		return "not recoverable"
	case m.Holder.Owner != 0:
		s = "held by " + m.Holder.String()
	}
	if m.Suspect {
		s += ", suspect: its last holder died"
	}
	if m.Waited {
		s += ", waited for"
	}
	return s
}

// SemaphoreInfo is what a Semaphore looks like to an observer of its segment.
type SemaphoreInfo struct {
	Value  int64 `json:"value"`  // permits that are free
	Waited bool  `json:"waited"` // somebody may be asleep
}

// String tells the state in words.
func (s SemaphoreInfo) String() string {
	text := fmt.Sprintf("%d free", s.Value)
	if s.Waited {
		text += ", waited for"
	}
	return text
}

// Inspect is for tools of this module: it describes o, a Mutex or a Semaphore of a segment that was
// opened for observation, and changes nothing. It fails with shm.ErrCorrupt, and with shm.ErrKind for
// other objects.
func Inspect(o segment.Object) (fmt.Stringer, error) {
	switch o.Kind() {
	case segment.KindMutex:
		l, err := lockIn(o)
		if err != nil {
			return nil, err
		}
		holder, suspect := l.Holder()
		return MutexInfo{
			Holder:  o.Segment().Participant(holder),
			Suspect: suspect && holder != 0,
			Lost:    suspect && holder == 0,
			Waited:  l.Waited(),
		}, nil
	case segment.KindSemaphore:
		if err := cmp.Or(o.Expect(segment.KindSemaphore, semaphoreLayout()), o.Holds(semaphoreSize)); err != nil {
			return nil, err
		}
		state := semaphoreIn(o)
		return SemaphoreInfo{Value: state.value.Load(), Waited: state.event.Asleep()}, nil
	}
	return nil, fmt.Errorf("a %s: %w", o.Kind(), segment.ErrKind)
}

// Check is for tools of this module: it reports whether o, a Mutex or a Semaphore, is in a state that
// exists. It may run beside others at work, and changes nothing.
func Check(o segment.Object) error {
	if o.Kind() == segment.KindMutex {
		l, err := lockIn(o)
		if err != nil {
			return err
		}
		return l.Check()
	}
	if _, err := Inspect(o); err != nil {
		return err
	}
	if v := semaphoreIn(o).value.Load(); v < 0 {
		return fmt.Errorf("%d permits: %w", v, segment.ErrCorrupt)
	}
	return nil
}

func lockIn(o segment.Object) (segment.Lock, error) {
	if err := cmp.Or(o.Expect(segment.KindMutex, mutexLayout()), o.Holds(mutexSize)); err != nil {
		return segment.Lock{}, err
	}
	return o.Segment().LockAt(o.Offset()), nil
}
