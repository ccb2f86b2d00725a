package sync

import (
	"cmp"
	"fmt"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
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

func (s *SemaphoreState) info(seg *segment.Segment) SemaphoreInfo {
	made := s.made.Load()
	free := int64(made & maxPermits)
	if made>>variantShift&tracked != 0 {
		free = freeOf(free, newLedger(seg, sideBySide, &s.rows, nil))
	} else if s.value.Load() != 0 {
		var err error
		if free, err = s.seen(newLedger(seg, ofKeepers, &s.rows, nil)); err != nil {
			free = -1
		}
	}
	return SemaphoreInfo{Value: free, Waited: s.event.Asleep()}
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
		return s.info(o.Segment()), nil
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
	case segment.KindWaitGroup:
		s, err := waitGroupShape.inspect(o)
		if err != nil {
			return nil, err
		}
		work := newLedger(o.Segment(), sideBySide, &s.rows, nil).sum()
		return WaitGroupInfo{Work: work, Died: s.died.Load() != 0, Waited: s.event.Asleep()}, nil
	case segment.KindBarrier:
		s, err := barrierShape.inspect(o)
		if err != nil {
			return nil, err
		}
		return s.info(o.Segment()), nil
	case segment.KindRWMutex:
		s, err := rwmutexShape.inspect(o)
		if err != nil {
			return nil, err
		}
		return s.info(o), nil
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
	if l := ledgerIn(o); l != nil {
		err = l.check()
	}
	if s, ok := info.(SemaphoreInfo); ok {
		err = cmp.Or(soundPermits(s.Value), err)
	}
	if off, ok := lockIn(o); ok {
		l := o.Segment().LockAt(o.Offset() + off)
		err = cmp.Or(l.Check(), err)
	}
	return err
}

// ledgerIn is the ledger of an object of this package, or nil.
func ledgerIn(o segment.Object) *ledger {
	f := sideBySide
	var first *word.Uint64
	switch o.Kind() {
	case segment.KindSemaphore:
		s := bodyOf[SemaphoreState](o)
		if first = &s.rows; s.made.Load()>>variantShift&tracked == 0 {
			f = ofKeepers
		}
	case segment.KindWaitGroup:
		first = &bodyOf[WaitGroupState](o).rows
	case segment.KindBarrier:
		f, first = lineByLine, &bodyOf[BarrierState](o).rows
	case segment.KindCond:
		first = &bodyOf[CondState](o).rows
	case segment.KindRWMutex:
		f, first = ofReaders, &bodyOf[RWMutexState](o).rows
	default:
		return nil
	}
	return newLedger(o.Segment(), f, first, nil)
}

// lockIn is where an object of this package has a lock.
func lockIn(o segment.Object) (off uint64, ok bool) {
	switch o.Kind() {
	case segment.KindSemaphore:
		return semaphoreLock, true
	case segment.KindMutex, segment.KindRMutex, segment.KindRWMutex, segment.KindOnce, segment.KindWaitGroup, segment.KindBarrier:
		return 0, true // it lies first
	}
	return 0, false
}
