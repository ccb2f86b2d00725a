package sync

import (
	"context"
	"errors"
	"slices"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Once does something once for all processes together. It takes 40 bytes: a lock, and a word that is
// stored under it when the work is done. Whoever dies at the work leaves the word as it was, and the
// lock to the next, who begins again.
type Once struct {
	_ noCopy
	place
	state *OnceState
	race  race.Word
	lock  segment.Lock
}

var onceShape = shapeOf[OnceState](segment.KindOnce, 0)

// NewOnce makes a Once in seg. It fails with shm.ErrExist if the name is taken, and with shm.ErrNoSpace.
func NewOnce(seg *shm.Segment, opts ...shm.ObjectOption) (*Once, error) {
	return onceOf(onceShape.make(seg, nil, opts))
}

// OpenOnce finds the Once of that name. It fails with shm.ErrNotExist, and with shm.ErrKind if
// something else has the name.
func OpenOnce(seg *shm.Segment, name string) (*Once, error) {
	return onceOf(onceShape.open(seg, name))
}

// OpenOrNewOnce opens the Once of that name, or makes it, whoever else does the same. For its errors see
// OpenOnce and NewOnce.
func OpenOrNewOnce(seg *shm.Segment, name string, opts ...shm.ObjectOption) (*Once, error) {
	return segment.OrNew(func() (*Once, error) { return OpenOnce(seg, name) },
		func() (*Once, error) { return NewOnce(seg, append(slices.Clip(opts), shm.Named(name))...) })
}

// OnceFrom returns the Once that ref names. It fails with shm.ErrStale if it is not in seg.
func OnceFrom(seg *shm.Segment, ref shm.Ref) (*Once, error) {
	return onceOf(onceShape.from(seg, ref))
}

// OnceAt returns the handle of a OnceState that lies in seg, as part of a struct of the user's own. It
// fails with shm.ErrStale if it does not lie there.
func OnceAt(seg *shm.Segment, state *OnceState) (*Once, error) {
	p, err := onceShape.at(seg, state)
	return onceOf(p, state, err)
}

func onceOf(p place, state *OnceState, err error) (*Once, error) {
	if err != nil {
		return nil, err
	}
	return &Once{place: p, state: state, race: race.At(p.seg.ID(), p.off), lock: p.seg.LockAt(p.off + onceLock)}, nil
}

// Ref names the Once. It is zero if the handle came from OnceAt.
func (o *Once) Ref() shm.Ref { return o.ref() }

// Do calls f if no call of Do, in any process, has come to its end without an error, and returns when
// one has. While one f runs, others wait, until ctx is over. If f fails or panics, that is Do's outcome,
// and the next Do calls its f; the same is true of an f whose process died half-way, so f must be able to
// begin again. Do also fails with shm.ErrClosed and the context's error. f must not call Do of the same
// Once.
func (o *Once) Do(ctx context.Context, f func() error) error {
	if o.Done() {
		if race.Enabled {
			o.race.Acquire(onceDone)
		}
		return nil
	}
	return o.doSlow(ctx, f)
}

// Done reports whether the work is done: a load of memory that is shared. A closed handle reports false.
func (o *Once) Done() bool {
	return o.state.done.Load() != 0 && !o.seg.IsClosed() // behind Close, what is done are its zeros
}

func (o *Once) doSlow(ctx context.Context, f func() error) (err error) {
	if err := enter(ctx, &o.lock); err != nil {
		return o.wrap("do", err)
	}
	defer func() {
		if e := o.wrap("do", o.lock.Unlock()); err == nil {
			err = e
		}
	}()
	if o.state.done.Load() != 0 {
		return nil
	}
	if err := f(); err != nil {
		return err
	}
	if race.Enabled {
		o.race.Release(onceDone)
	}
	o.state.done.Store(1)
	return nil
}

// onceDone is the proxy of the word done, counted from the state.
const onceDone = 4

// enter takes a lock over something that is right after every store, so that no death leaves anything
// to repair.
func enter(ctx context.Context, l *segment.Lock) error {
	if l.TryLock() {
		return nil
	}
	err := l.LockSlow(ctx)
	if errors.Is(err, ErrOwnerDied) {
		err = l.MarkConsistent()
	}
	return err
}

// OnceInfo is what a Once looks like to an observer of its segment.
type OnceInfo struct {
	Done   bool                `json:"done"`
	Doing  segment.Participant `json:"doing"`  // Owner 0: nobody
	Waited bool                `json:"waited"` // somebody may be asleep
}

// String tells the state in words.
func (o OnceInfo) String() string {
	s := "not done"
	switch {
	case o.Done:
		s = "done"
	case o.Doing.Owner != 0:
		s = "being done by " + o.Doing.String()
	}
	return waited(s, o.Waited)
}
