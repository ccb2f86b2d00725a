package segments_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"testing"

	"github.com/kindred-ipc/kindred/internal/corruption"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Whatever a hostile peer writes, who attaches gets in and finds what there is, or is told that
// something is wrong.

// inventory is what an attach of the operator's finds at first, in rehearsal: the objects by name.
type inventory map[string]segment.Object

var attaches = corruption.Register(corruption.Scene{
	Name:     "attach",
	Moments:  4,
	Attaches: true,
	Script: func(t *corruption.Trial) {
		objects := stock(t)
		t.Moment()
		var seg *shm.Segment
		here := shm.Dir(t.Dir)
		t.Do("create", func() (any, error) { _, err := shm.Create(corruption.Name, 1, here); return nil, err })
		t.Do("attached", func() (any, error) {
			return segment.Attached(corruption.Name, segment.Config{Dir: t.Dir, Owner: -1})
		})
		if !t.Do("open", func() (_ any, err error) {
			seg, err = shm.Open(corruption.Name, here, shm.As("visitor"))
			return nil, err
		}) {
			for range 3 {
				t.Moment()
			}
			return
		}
		t.Moment()
		look(t, seg, objects)
		t.Moment()
		make1(t, seg)
		use(t, seg)
		t.Moment()
		t.Do("check again", func() (any, error) { return nil, seg.Check() })
		t.Do("close", func() (any, error) { return nil, seg.Close() })
	},
})

var observes = corruption.Register(corruption.Scene{
	Name:    "observe",
	Moments: 2,
	Script: func(t *corruption.Trial) {
		objects := stock(t)
		t.Moment()
		var seg *shm.Segment
		ok := t.Do("open", func() (_ any, err error) {
			seg, err = shm.Open(corruption.Name, shm.Dir(t.Dir), shm.Observe())
			return nil, err
		})
		t.Moment()
		if ok {
			look(t, seg, objects)
			t.Do("close", func() (any, error) { return nil, seg.Close() })
		}
	},
})

var known inventory // of the operator's process

// stock is what there was at first.
func stock(t *corruption.Trial) inventory {
	if known == nil {
		known = make(inventory)
		if err := t.Seg.Engine().Objects(func(o segment.Object, name string) bool {
			known[name] = o
			return true
		}); err != nil {
			t.Fail("objects: %v", err)
		}
	}
	return known
}

// names are in an order of their own, for scripts do the same each time.
var names = []string{
	corruption.User, corruption.Free, corruption.Held, corruption.Seats, corruption.Ticks, corruption.Log, corruption.Mail,
}

// look reads whatever can be read of a segment.
func look(t *corruption.Trial, seg *shm.Segment, objects inventory) {
	e := seg.Engine()
	t.Guard()
	t.Do("check", func() (any, error) { return nil, seg.Check() })
	t.Do("participants", func() (any, error) {
		all, err := e.Participants()
		alive := 0 // somebody who comes in may have swept the dead
		for _, p := range all {
			_ = fmt.Sprint(p, e.Describe(p.Owner))
			if p.Alive {
				alive++
			}
		}
		return alive, err
	})
	t.Do("objects", func() (any, error) {
		n := 0
		err := e.Objects(func(o segment.Object, _ string) bool {
			n++
			t.Between("size of an object", 0, len(o.Bytes()), int(seg.Size()))
			return true
		})
		return n, err
	})
	i := e.Info()
	t.Between("slots", 1, i.Slots, 4)
	for _, name := range names {
		want := objects[name]
		t.Do("look up "+name, func() (any, error) {
			o, err := e.Lookup(name, want.Kind(), want.Layout())
			if err != nil {
				return nil, err
			}
			if name == corruption.User {
				return o.Ref().Offset() == want.Ref().Offset(), o.Holds(64)
			}
			return o.Ref().Offset() == want.Ref().Offset(), nil
		})
		t.Do("resolve "+name, func() (any, error) {
			o, err := e.Resolve(want.Ref(), want.Kind(), want.Layout())
			if err == nil && name == corruption.User {
				return string(o.Bytes()), nil
			}
			return o.Size(), err
		})
	}
	t.Do("look up what is not there", func() (any, error) {
		_, err := e.Lookup("none", segment.KindRaw, 0)
		return nil, err
	})
}

// patience is how long New may take before the script closes the segment, where a change may have named
// a holder of the heap's lock: New takes no context, and waits for whoever lives until Close.
const patience = 200 * time.Millisecond

// make1 makes objects.
func make1(t *corruption.Trial, seg *shm.Segment) {
	for _, spec := range []segment.Spec{
		{Kind: segment.KindRaw, Size: 100, Name: "new"},
		{Kind: segment.KindRaw, Size: 100},
		{Kind: segment.KindRaw, Size: 8, Name: corruption.Free},
		{Kind: segment.KindRaw, Size: 1 << 30},
	} {
		t.Do(fmt.Sprintf("make %q of %d bytes", spec.Name, spec.Size), func() (any, error) {
			late := time.AfterFunc(t.Patience(patience), func() { _ = seg.Close() })
			o, err := seg.Engine().New(spec)
			if !late.Stop() && errors.Is(err, shm.ErrClosed) {
				return nil, fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
			}
			if err == nil {
				clear(o.Bytes())
			}
			return nil, err
		})
	}
}

// use allocates blocks, hands them over, takes them, and frees them.
func use(t *corruption.Trial, seg *shm.Segment) {
	for _, n := range []int{1, 1000, 20 << 10} {
		var b shm.Block
		ok := t.Do(fmt.Sprintf("allocate %d bytes", n), func() (_ any, err error) {
			late := time.AfterFunc(t.Patience(patience), func() { _ = seg.Close() })
			b, err = seg.Alloc(n)
			if !late.Stop() && errors.Is(err, shm.ErrClosed) {
				return nil, fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
			}
			if err == nil {
				clear(b.Bytes())
			}
			return nil, err
		})
		if !ok {
			continue
		}
		t.Do("settle", func() (any, error) { return nil, b.Settle() })
		t.Do("take", func() (any, error) { return nil, b.Take() })
		t.Do("find", func() (any, error) { _, err := seg.Block(b.Ref()); return nil, err })
		t.Do("free", func() (any, error) { return nil, b.Free() })
	}
	t.Do("statistics", func() (any, error) { seg.Stats(); return nil, nil })
}

func TestSegmentOfWhichAnyByteIsOverwritten(t *testing.T) { attaches.Run(t, 1500) }

func TestSegmentUnderAHostilePeer(t *testing.T) { attaches.Storm(t, 1000) }

func TestObservedSegmentOfWhichAnyByteIsOverwritten(t *testing.T) { observes.Run(t, 1500) }
