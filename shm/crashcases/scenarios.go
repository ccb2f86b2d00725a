package crashcases

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/sync"
)

// Scenarios are the deaths, and what others take for one, that do not come from inside of an operation.
// In all of them the victim holds a lock and the writing end of a ring; survivor 1 sleeps for both.
func Scenarios() []crashlab.Scenario {
	killed := func(name string, memory int) crashlab.Scenario {
		play := func() crashlab.Play { var h heirs; return h.play(nil, true) }
		return crashlab.Scenario{Case: crashlab.Case{Name: name, Play: play}, Memory: memory}
	}
	return []crashlab.Scenario{
		killed("killed, with no memory of its own", 0),
		killed("killed, with 256 MiB of its own", 256<<20),
		killed("killed, with 1 GiB of its own", 1<<30),
		{
			How: crashlab.Executes,
			Case: crashlab.Case{Name: "executes another program", Play: func() crashlab.Play {
				var h heirs
				return h.play(func(*crashlab.Actor) error { return crashlab.Execute() }, true)
			}},
		},
		{
			How: crashlab.ParentKilled,
			Case: crashlab.Case{Name: "killed while its child is between fork and exec", Play: func() crashlab.Play {
				var h heirs
				return h.play(func(*crashlab.Actor) error { return crashlab.Fork() }, true)
			}},
		},
		{
			How: crashlab.ChildKilled,
			Case: crashlab.Case{Name: "its child killed between fork and exec", Play: func() crashlab.Play {
				var h heirs
				return h.play(h.forkAndGoOn, false)
			}},
		},
	}
}

// heirs are who waits for what the victim holds, and get it.
type heirs struct {
	estate
	reader *ring.Reader[uint64]
}

// What the victim pushes after its child has died.
const afterFork = 43

// play is the whole. If orphaned, the victim holds everything until it is dead.
func (h *heirs) play(victim func(*crashlab.Actor) error, orphaned bool) crashlab.Play {
	return crashlab.Play{
		Setup: h.setup,
		Open: func(a *crashlab.Actor) (err error) {
			if err = h.open(a); err == nil && a.N == 1 {
				h.reader, err = h.ring.Reader()
			}
			return err
		},
		Ready: func(a *crashlab.Actor) error {
			// What a process finds out when it first starts another is not what this is about.
			if err := crashlab.Fork(); err != nil {
				return err
			}
			return h.hold(a)
		},
		Victim: victim,
		Wait:   h.wait,
		Recover: func(a *crashlab.Actor) error {
			if err := h.recover(a); err != nil || a.N != 1 {
				return err
			}
			return h.pop(a, fromHeir)
		},
		Check: func(a *crashlab.Actor) (string, error) {
			want := []string{strconv.Itoa(fromVictim), strconv.Itoa(fromHeir)}
			if orphaned {
				want = append(want, "inherited", "writer died")
			} else {
				want = append(want, strconv.Itoa(afterFork))
			}
			got := slices.Sorted(slices.Values(a.Said))
			if slices.Sort(want); !slices.Equal(got, want) {
				return "", fmt.Errorf("survivors were told %q, and not %q", got, want)
			}
			return "", nil
		},
	}
}

// forkAndGoOn does with what the victim holds what it must be able to do when its child was killed.
func (h *heirs) forkAndGoOn(a *crashlab.Actor) error {
	if err := crashlab.Fork(); err != nil {
		return err
	}
	if err := h.writer.Push(a.Ctx, afterFork); err != nil {
		return err
	}
	return h.mu.Unlock()
}

// wait is survivor 1's, for the lock and for the next value at the same time.
func (h *heirs) wait(a *crashlab.Actor) error {
	if err := h.pop(a, fromVictim); err != nil {
		return err
	}
	locked := make(chan error, 1)
	go func() { locked <- h.mu.Lock(a.Ctx) }()
	v, err := h.reader.Pop(a.Ctx)
	switch {
	case a.Died(err, ring.ErrPeerDied):
		a.Say("writer died")
		err = nil
	case err == nil:
		a.Say(strconv.FormatUint(v, 10))
	}
	if lock := <-locked; a.Died(lock, sync.ErrOwnerDied) {
		a.Say("inherited")
		err = errors.Join(err, h.mu.MarkConsistent(), h.mu.Unlock())
	} else if err = errors.Join(err, lock); err == nil {
		err = h.mu.Unlock()
	}
	return err
}

// pop takes the value that must be the next; the death of one who pushed before may be told meanwhile.
func (h *heirs) pop(a *crashlab.Actor, want uint64) error {
	v, err := h.reader.Pop(a.Ctx)
	if errors.Is(err, ring.ErrPeerDied) {
		v, err = h.reader.Pop(a.Ctx)
	}
	if err == nil && v != want {
		err = fmt.Errorf("popped %d, and not %d", v, want)
	}
	if err == nil {
		a.Say(strconv.FormatUint(v, 10))
	}
	return err
}
