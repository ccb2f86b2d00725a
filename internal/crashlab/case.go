package crashlab

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/shm"
)

// Case is one operation that a death may cut off.
type Case struct {
	// Name is unique among all cases: the operation, and the circumstances behind a comma, as in
	// "sync.Mutex.Lock, contended".
	Name string
	// Covers names the exported operations that are cut off here, as go doc does: "sync.Mutex.Lock".
	Covers []string
	// States are what Check may answer, in the order in which the operation passes through them. The
	// first is what was before; the last what the operation leaves when nobody dies.
	States []string
	// Long is set if the operation has so many steps that a walk through them takes up to a minute: go test, and short runs of the lab, leave it out.
	Long bool
	// Play makes the parts for one process and one trial. They share variables: handles, mostly.
	Play func() Play
}

// Play is what the processes of a trial do. Every part may be nil.
type Play struct {
	// Detached is set if the victim is not attached to the segment when its operation begins, and has
	// no part in Open.
	Detached bool
	// Bare is set if there is no segment before the operation: Setup makes none, and nobody attaches. An
	// anonymous segment that the victim has by then is looked at in its place.
	Bare bool
	// Room is how many bytes the segment has for objects, if a few are not enough; all of them are
	// compared after every step.
	Room int64
	// Foreign makes a process, as survivor 0, that is the victim in place of one of the lab's: a worker of
	// a pool. It says which, and which of its threads has the operation: what that thread does between
	// two calls of Mark. Victim then makes it come to the first one, and does not wait for it. The Play
	// is Bare; Ready and Storm are not for it.
	Foreign func(a *Actor) (pid, thread int, err error)
	// Rests is set if the operation of a Foreign victim has no second Mark: it ends where its thread sleeps and Unblock,
	// which returns when the victim is where it was to come to, does not end that.
	Rests bool
	// Finish returns when a Foreign victim that was only stopped is through. Survivor 0.
	Finish func(a *Actor) error
	// Setup makes the objects in a new segment. Survivor 0.
	Setup func(a *Actor) error
	// Open finds them again. Every process, survivor 0 too.
	Open func(a *Actor) error
	// Ready is what the victim does before its operation.
	Ready func(a *Actor) error
	// Wait begins before the operation and sleeps; it must end after the victim's death, or after
	// what the operation does. Survivor 1. It is asleep when the operation begins.
	Wait func(a *Actor) error
	// Victim is the operation.
	Victim func(a *Actor) error
	// Unblock is called when the victim sleeps in its operation, so that it can go on. Survivor 0.
	Unblock func(a *Actor) error
	// Patience is how long the victim may sleep until Unblock is called; 0: 20 ms.
	Patience time.Duration
	// Recover is what every survivor must be able to do afterwards, all at the same time; also when
	// the victim did not die. It may be done more than once.
	Recover func(a *Actor) error
	// Check holds what there is against what must be, and says in which of the case's States the
	// operation was cut off. Survivor 0, when all are through with Recover.
	Check func(a *Actor) (state string, err error)
	// Leave closes what the trial has opened, however it came out. Survivors.
	Leave func(a *Actor) error
	// Storm is done over and over by several victims that are killed at any time, without stepping.
	// Recover and Check follow; the state is not looked at. If the Play is Bare, each has done Ready before.
	Storm func(a *Actor) error
}

// Actor is a process in its part.
type Actor struct {
	// Segment is the attach of this process.
	Segment *shm.Segment
	// Ctx ends when an operation has had all the time it may have; see Bound.
	Ctx context.Context
	// N numbers the survivors, from 0. The victim is -1, victims of a storm -1, -2, ...
	N int
	// Dir is where the segment lies, and Name is its name.
	Dir, Name string
	// Paused says that the victim is stopped, and not dead.
	Paused bool
	// Stormy says, to Check, that several were killed at work: what is there need not be a state of one operation.
	Stormy bool
	// Said is what all survivors said in Wait and Recover, for Check: but for what they said while the victim was stopped.
	Said []string
	// Deaths is how many were killed, for Check: one or two, or more in a storm.
	Deaths int

	deaths []string
	words  []string
}

// Say leaves word for Check.
func (a *Actor) Say(word string) { a.words = append(a.words, word) }

// Registered returns when this process may publish with plain stores. Otherwise an operation would
// take that path or the other one as it happens, and the kernel would finish the registration first,
// whatever happens to the process.
func (a *Actor) Registered() error {
	for !futex.Registered() {
		if err := a.Nap(); err != nil {
			return err
		}
	}
	return nil
}

// Nap lets others run for a moment, and fails when Ctx ends.
func (a *Actor) Nap() error {
	t := time.NewTimer(100 * time.Microsecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.Ctx.Done():
	}
	return a.Ctx.Err()
}

// Scratch is a path for what a case writes down beside segments. The lab removes it after the trial.
func (a *Actor) Scratch(name string) string {
	return filepath.Join(a.Dir, scratchOf(a.Name)+name)
}

func scratchOf(trial string) string { return "scratch-" + trial + "-" }

// Options are what the segment is to be opened with.
func (a *Actor) Options() []shm.Option { return []shm.Option{shm.Dir(a.Dir)} }

// Died reports whether err is of the kind that says that somebody died, and takes note of it: while
// the victim is only stopped, that must not happen.
func (a *Actor) Died(err, kind error) bool {
	if !errors.Is(err, kind) {
		return false
	}
	a.deaths = append(a.deaths, err.Error())
	return true
}
