package corruption

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kindred-ipc/kindred/shm"
)

// Trial is one run of a script.
type Trial struct {
	Seg *shm.Segment // the operator's attach, which lasts for all trials
	Dir string       // where the segment lies; its name is Name

	Role int // in a storm: 0 or 1
	Keep any // in a storm: what the next round finds there; nil in the first

	op      *operator
	change  Change
	changed bool
	moments int
	answers []Answer
	wrong   []error
}

// Name is that of the world's segment.
const Name = name

// Moment is a point of the script at which the change may come.
func (t *Trial) Moment() {
	if t.moments == t.change.Moment {
		t.change.Apply(t.op.live)
		t.changed = true
	}
	t.moments++
}

// Do does one operation, which does not block, and takes its answer down. Its name is unique in the
// script. It reports whether there was no error.
func (t *Trial) Do(op string, do func() (any, error)) bool {
	t.op.journal.begin(op)
	v, err := do()
	a := Answer{Op: op, Class: classOf(err), err: err}
	if err == nil && v != nil {
		a.Value = fmt.Sprint(v)
	}
	t.answers = append(t.answers, a)
	t.op.journal.count(a.Class)
	return err == nil
}

// Find opens an object of the world by its name, and reports whether it could.
func Find[T any](t *Trial, seg *shm.Segment, open func(*shm.Segment, string) (T, error), name string) (object T, ok bool) {
	ok = t.Do("open "+name, func() (_ any, err error) {
		object, err = open(seg, name)
		return nil, err
	})
	return object, ok
}

// Block is Do for an operation that waits in vain, on that object, until its context ends. It really
// sleeps where the change may have to do with that; its context has ended already where it may not.
func (t *Trial) Block(op, object string, do func(context.Context) (any, error)) bool {
	ctx, cancel := context.WithCancel(context.Background())
	if cancel(); t.concerns(object) {
		patience := briefly
		if t.change.Index%16 == 0 {
			patience = longer
		}
		ctx, cancel = context.WithTimeout(context.Background(), patience)
	}
	defer cancel()
	return t.Do(op, func() (any, error) { return do(ctx) })
}

// Pass is Do for an operation that may block and can go on, unless a change keeps it from that.
func (t *Trial) Pass(op string, do func(context.Context) (any, error)) bool {
	ctx, cancel := context.WithTimeout(context.Background(), t.Patience(longer))
	defer cancel()
	return t.Do(op, func() (any, error) { return do(ctx) })
}

// Patience is how long a call that can go on may take: short, if a change may keep it from that; else
// without end, because a busy machine may keep it for long.
func (t *Trial) Patience(short time.Duration) time.Duration {
	rehearses := t.change.Index < 0
	if !rehearses && t.op.orders.Storm || t.change.laxest() >= Holder {
		return short
	}
	return endless
}

// How long a call may wait: a sleep, and one that is longer than the first of those that pay for a
// fence.
const (
	briefly = 200 * time.Microsecond
	longer  = 3 * time.Millisecond
	endless = time.Minute // the parent takes a shorter one to hang
)

// concerns reports whether waiting on that object may depend on the change.
func (t *Trial) concerns(object string) bool {
	if t.change.Index < 0 || t.change.Index%64 == 0 {
		return true
	}
	for _, f := range t.change.Fields {
		speaks := f.Rule >= Holder || strings.HasPrefix(f.Name, event+".")
		if speaks && (strings.TrimPrefix(f.Object, rowsOf) == object || strings.HasPrefix(f.Object, slot)) {
			return true
		}
	}
	return false
}

// Guard puts guards around what the script has mapped of the segment by now, while it is rehearsed, and
// in some of the trials. (An operator's own mapping has them always.) Call it before something of the
// segment is mapped, too: what comes next in a rehearsal does not lie beside the runtime's memory then.
func (t *Trial) Guard() {
	if t.change.Index >= 0 && t.change.Index%8 != 0 {
		return
	}
	if sides, err := guard(path(t.Dir)); err == nil {
		t.op.journal.word(journalGuards).Add(uint64(sides))
	}
	if t.change.Index < 0 {
		if err := moat(2 * 64 << 10); err != nil {
			t.Fail("%v", err)
		}
	}
}

// Fail says that an answer cannot be, whatever the bytes are.
func (t *Trial) Fail(format string, args ...any) {
	t.wrong = append(t.wrong, fmt.Errorf(format, args...))
}

// Between demands that a number is one that the structure can have.
func (t *Trial) Between(what string, low, n, high int) {
	if n < low || n > high {
		t.Fail("%s is %d, which is not from %d to %d", what, n, low, high)
	}
}

// misled reports whether the change is where the next object goes: what is made then may lie anywhere. So may the rows
// of an object that does not find those that it has, or that says that it has some, the elements of a list, and the
// parts and boxes of a map.
func (t *Trial) misled() bool {
	for f := range t.change.touched(t.op.plan.Fields) {
		if f.Name == "sync.SemaphoreState.made" || t.op.scene.changes(f.Object) &&
			(f.Name == block+".bodyOffset" || strings.HasSuffix(f.Name, ".rows") ||
				f.Name == "state.listState.sequence" || strings.HasPrefix(f.Name, "state.listHeader.") || leads(f.Name)) {
			return true
		}
		if !t.op.scene.Attaches {
			continue
		}
		switch f.Name {
		case usedControl, "segment.run.word": // what is in use may look free then
			return true
		}
	}
	return false
}

// leads reports whether a field of a Map may lead it to other blocks: other parts of its row, or other boxes.
func leads(name string) bool {
	return name == rowPlace || name == boxBytes || strings.HasPrefix(name, "state.mapState.") ||
		strings.HasPrefix(name, "state.bucket.") || strings.HasPrefix(name, "state.pair.")
}

// compare demands that bytes which are not the script's to change are as expected.
func (t *Trial) compare(kept []extent) {
	for _, e := range kept {
		expected, got := t.op.expected[e.from:e.to], t.op.live[e.from:e.to]
		if bytes.Equal(expected, got) {
			continue
		}
		for i := range got {
			if at := e.from + uint64(i); got[i] != expected[i] {
				t.Fail("offset %#x (%v) is %#x after the operations, and was %#x", at, fieldAt(t.op.plan.Fields, at), got[i], expected[i])
				break
			}
		}
	}
}
