package sync

import (
	"cmp"
	"fmt"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// MutexInfo is what a Mutex looks like to an observer of its segment.
type MutexInfo struct {
	Holder  segment.Participant `json:"holder"`  // Owner 0: nobody
	Suspect bool                `json:"suspect"` // taken from a dead holder, and not marked consistent yet
	Lost    bool                `json:"lost"`    // not recoverable
	Waited  bool                `json:"waited"`  // somebody may be asleep
	Since   time.Time           `json:"since"`   // when the first of them came, if he saw the holder
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
	return waited(s, m.Waited)
}

func waited(state string, is bool) string {
	if is {
		state += ", waited for"
	}
	return state
}

// SemaphoreInfo is what a Semaphore looks like to an observer of its segment.
type SemaphoreInfo struct {
	Value  int64 `json:"value"`  // permits that are free
	Waited bool  `json:"waited"` // somebody may be asleep
}

// String tells the state in words.
func (s SemaphoreInfo) String() string {
	return waited(fmt.Sprintf("%d free", s.Value), s.Waited)
}

// Inspect is for tools of this module: it describes o, an object of this package in a segment that was
// opened for observation, and changes nothing. It fails with shm.ErrCorrupt, and with shm.ErrKind for
// other objects.
func Inspect(o segment.Object) (fmt.Stringer, error) {
	switch o.Kind() {
	case segment.KindMutex:
		return inspectMutex(&mutexShape, o)
	case segment.KindRMutex:
		return inspectMutex(&rmutexShape, o)
	case segment.KindSemaphore:
		s, err := semaphoreShape.inspect(o)
		if err != nil {
			return nil, err
		}
		return SemaphoreInfo{Value: s.value.Load(), Waited: s.event.Asleep()}, nil
	case segment.KindEvent:
		s, err := eventShape.inspect(o)
		if err != nil {
			return nil, err
		}
		return s.info(), nil
	case segment.KindCond:
		s, err := condShape.inspect(o)
		if err != nil {
			return nil, err
		}
		return s.info(o.Segment()), nil
	case segment.KindTracked:
		s, err := trackedShape.inspect(o)
		if err != nil {
			return nil, err
		}
		return SemaphoreInfo{Value: s.free(), Waited: s.event.Asleep()}, nil
	case segment.KindWaitGroup:
		s, err := waitGroupShape.inspect(o)
		if err != nil {
			return nil, err
		}
		return WaitGroupInfo{Work: s.rows.sum(s.used.Load()), Died: s.died.Load() != 0, Waited: s.event.Asleep()}, nil
	case segment.KindBarrier:
		s, err := barrierShape.inspect(o)
		if err != nil {
			return nil, err
		}
		return s.info(), nil
	case segment.KindOnce:
		s, err := onceShape.inspect(o)
		if err != nil {
			return nil, err
		}
		l := o.Segment().LockAt(o.Offset() + onceLock)
		holder, _ := l.Holder()
		return OnceInfo{Done: s.done.Load() != 0, Doing: o.Segment().Participant(holder), Waited: l.Waited()}, nil
	}
	return nil, fmt.Errorf("a %s: %w", o.Kind(), segment.ErrKind)
}

func inspectMutex(k *shape[MutexState], o segment.Object) (fmt.Stringer, error) {
	if _, err := k.inspect(o); err != nil {
		return nil, err
	}
	l := o.Segment().LockAt(o.Offset())
	holder, suspect := l.Holder()
	return MutexInfo{
		Holder:  o.Segment().Participant(holder),
		Suspect: suspect && holder != 0,
		Lost:    suspect && holder == 0,
		Waited:  l.Waited(),
		Since:   l.Since(),
	}, nil
}

// Check is for tools of this module: it reports whether o, an object of this package, is in a state that
// exists. It may run beside others at work, and changes nothing.
func Check(o segment.Object) error {
	info, err := Inspect(o)
	if err != nil {
		return err
	}
	switch o.Kind() {
	case segment.KindTracked:
		s, _ := trackedShape.inspect(o)
		err = s.rows.check(o.Segment(), s.used.Load())
	case segment.KindWaitGroup:
		s, _ := waitGroupShape.inspect(o)
		err = s.rows.check(o.Segment(), s.used.Load())
	case segment.KindBarrier:
		s, _ := barrierShape.inspect(o)
		err = s.rows.check(o.Segment(), s.used.Load())
	case segment.KindCond:
		s, _ := condShape.inspect(o)
		return s.rows.check(o.Segment(), s.used.Load())
	case segment.KindSemaphore:
		if v := info.(SemaphoreInfo).Value; v < 0 {
			return fmt.Errorf("%d permits: %w", v, segment.ErrCorrupt)
		}
	}
	switch o.Kind() {
	case segment.KindMutex, segment.KindRMutex, segment.KindOnce, segment.KindTracked, segment.KindWaitGroup, segment.KindBarrier:
		l := o.Segment().LockAt(o.Offset()) // it lies first
		err = cmp.Or(l.Check(), err)
	}
	return err
}
