package corruption

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/queue"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
	"github.com/kindred-ipc/kindred/sync"
)

// Class is what sort of answer an operation gave.
type Class string

// Classes that are no error of the library's.
const (
	ok      Class = "ok"
	waited  Class = "waited"  // until its context ended
	unknown Class = "unknown" // an error that no documentation names
)

// classes are the errors that the documentation names, and what each is called here.
var classes = []struct {
	err   error
	class Class
}{
	{context.DeadlineExceeded, waited}, {context.Canceled, waited},
	{shm.ErrCorrupt, "corrupt"}, {shm.ErrNotSegment, "no segment"}, {shm.ErrTruncated, "truncated"},
	{shm.ErrVersion, "version"}, {shm.ErrLayout, "layout"}, {shm.ErrKind, "kind"}, {shm.ErrStale, "stale"},
	{shm.ErrNotExist, "not there"}, {shm.ErrExist, "there"}, {shm.ErrNoSpace, "no space"},
	{shm.ErrFull, "full"}, {shm.ErrClosed, "closed"}, {shm.ErrReadOnly, "read only"},
	{shm.ErrOwnerDied, "owner died"}, {sync.ErrNotRecoverable, "not recoverable"}, {sync.ErrNotHeld, "not held"},
	{sync.ErrCount, "count"}, {ring.ErrPeerDied, "peer died"}, {ring.ErrBusy, "busy"}, {ring.ErrTooLarge, "too large"},
	{sync.ErrBroken, "broken"}, {state.ErrRange, "range"}, {state.ErrEmpty, "empty"},
	{state.ErrType, "type"},
	{queue.ErrShutDown, "shut down"}, {queue.ErrFull, "full"}, {queue.ErrBusy, "busy"}, {queue.ErrDone, "done"}, {queue.ErrLease, "lease over"},
	{queue.ErrAbandoned, "abandoned"}, {queue.ErrNotJoinable, "not joinable"}, {queue.ErrNoLeases, "no leases"}, {queue.ErrTooLarge, "too large"},
	{shm.ErrInUse, "in use"}, {ring.ErrLapped, "lapped"}, {ring.ErrSequence, "no such record"}, {ring.ErrTooMany, "too many"},
}

func classOf(err error) Class {
	if err == nil {
		return ok
	}
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.class
		}
	}
	return unknown
}

// Rules by class: what a field may turn an answer into.
var (
	// damaged says that something is wrong with a segment, or with an object in it.
	damaged = []Class{
		"corrupt", "no segment", "truncated", "version", "layout", "kind", "stale", "not there", "no space", "full",
	}
	// held is what depends on who holds something, answers for it, or lives.
	held = []Class{waited, "owner died", "not recoverable", "not held", "count", "broken", "peer died", "busy", ok}
)

// Answer is what an operation said.
type Answer struct {
	Op    string
	Class Class
	Value string // what it returned
	err   error
}

// String is the answer for a report.
func (a Answer) String() string {
	if a.err != nil {
		return fmt.Sprintf("%s: %s (%v)", a.Op, a.Class, a.err)
	}
	return fmt.Sprintf("%s: %s %s", a.Op, a.Class, a.Value)
}

// allows reports whether a field of rule r may turn the answer want into got.
func (r Rule) allows(want, got Answer) bool {
	same := got.Class == want.Class
	switch {
	case got.Class == unknown:
		return false
	case same && got.Value == want.Value:
		return true
	case r == Nothing:
		return false
	case r == Value:
		return same
	case r == Word:
		return true
	case slices.Contains(damaged, got.Class):
		return true
	case got.Class == ok && (want.Class == "there" || want.Class == "not there"):
		return true // a name that cannot be found any more is free
	case r == Holder:
		return slices.Contains(held, got.Class)
	}
	return false
}

// undocumented is what is wrong with an answer of class unknown.
const undocumented = "no documentation names this error"

// judge holds the answers of a trial against those without a change, and says what is wrong with them.
// One of the fields that were hit must excuse a difference. An operation may be missing because one
// before it failed.
func (c Change) judge(want, got []Answer) error {
	var wrong []error
	for _, g := range got {
		i := slices.IndexFunc(want, func(w Answer) bool { return w.Op == g.Op })
		switch {
		case g.Class == unknown:
			wrong = append(wrong, fmt.Errorf("%v: %s", g, undocumented))
		case i < 0 && c.laxest() < Holder:
			wrong = append(wrong, fmt.Errorf("%v: not done without the change", g))
		case i >= 0 && !slices.ContainsFunc(c.Fields, func(f Field) bool { return f.Rule.allows(want[i], g) }):
			wrong = append(wrong, fmt.Errorf("%v, and without the change: %v", g, want[i]))
		}
	}
	return errors.Join(wrong...)
}
