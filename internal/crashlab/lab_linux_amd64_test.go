package crashlab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

func TestMain(m *testing.M) {
	proc.Main()
	Main(testCases())
	os.Exit(m.Run())
}

// pair is two words that an operation of the tests changes, one after the other.
type pair struct{ first, second *atomic.Uint64 }

func (p *pair) setup(a *Actor) error {
	_, err := a.Segment.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: 16, Name: "pair"})
	return err
}

func (p *pair) open(a *Actor) error {
	o, err := a.Segment.Engine().Lookup("pair", segment.KindRaw, 0)
	if err == nil {
		p.first, p.second = words(o)
	}
	return err
}

func (p *pair) change(*Actor) error {
	p.first.Add(1)
	p.second.Add(1)
	return nil
}

func (p *pair) state(*Actor) (string, error) {
	return fmt.Sprint(p.first.Load(), p.second.Load()), nil
}

// same is a promise that change does not keep.
func (p *pair) same(*Actor) (string, error) {
	if p.first.Load() != p.second.Load() {
		return "", errors.New("half changed")
	}
	return "", nil
}

func testCases() []Case {
	play := func(edit func(*pair, *Play)) func() Play {
		return func() Play {
			var p pair
			it := Play{Setup: p.setup, Open: p.open, Victim: p.change, Check: p.state}
			edit(&p, &it)
			return it
		}
	}
	return []Case{
		{Name: "whole", States: []string{"0 0", "1 0", "1 1"}, Play: play(func(*pair, *Play) {})},
		{Name: "longer at first", States: []string{"0 0", "1 0", "1 1"}, Play: play(func(p *pair, it *Play) {
			it.Victim = func(a *Actor) error {
				if a.Name == "trial-1" {
					for range 1000 {
						p.first.Load()
					}
				}
				return p.change(a)
			}
		})},
		{Name: "makes threads", Play: play(func(_ *pair, it *Play) { it.Bare, it.Open, it.Ready = true, nil, makeThreads })},
		{Name: "backwards", States: []string{"1 0", "0 0", "1 1"}, Play: play(func(*pair, *Play) {})},
		{Name: "half", Play: play(func(p *pair, it *Play) { it.Check = p.same })},
		{Name: "hangs", Play: play(func(p *pair, it *Play) {
			it.Recover = func(a *Actor) error {
				if p.first.Load() == p.second.Load() {
					return nil
				}
				<-a.Ctx.Done()
				return a.Ctx.Err()
			}
		})},
		{Name: "robs", Play: play(func(p *pair, it *Play) {
			it.Recover = func(a *Actor) error {
				a.Died(os.ErrInvalid, os.ErrInvalid)
				return nil
			}
		})},
		{Name: "panics", Play: play(func(p *pair, it *Play) {
			it.Recover = func(a *Actor) error {
				if p.first.Load() != p.second.Load() {
					panic("half changed")
				}
				return nil
			}
		})},
		{Name: "comes late to sleep", Play: gather(func(m *meeting, it *Play) {
			it.Victim = func(a *Actor) error {
				for begin := time.Now(); time.Since(begin) < 50*time.Millisecond; {
				}
				return m.wait(a)
			}
			it.Unblock = m.disperse
		})},
		{Name: "is waited for", Play: gather(func(m *meeting, it *Play) {
			it.Wait, it.Victim = m.waitForAsLongAsAWalkTakes, m.disperse
		})},
	}
}

// makeThreads has threads begin and end, from now on.
func makeThreads(*Actor) error {
	var next func()
	next = func() {
		runtime.LockOSThread() // it ends with the goroutine
		runtime.Gosched()      // the others have their turns
		go next()
	}
	for range 4 {
		go next()
	}
	return nil
}

// meeting is a Barrier to which one comes, and others are not to come.
type meeting struct{ *sync.Barrier }

func gather(edit func(*meeting, *Play)) func() Play {
	return func() Play {
		var m meeting
		it := Play{Setup: m.setup, Open: m.open}
		edit(&m, &it)
		return it
	}
}

func (m *meeting) setup(a *Actor) error {
	_, err := sync.NewBarrier(a.Segment, 2, shm.Named("meeting"))
	return err
}

func (m *meeting) open(a *Actor) (err error) {
	m.Barrier, err = sync.OpenBarrier(a.Segment, "meeting")
	return err
}

func (m *meeting) wait(a *Actor) error {
	_, err := m.Wait(a.Ctx)
	if errors.Is(err, sync.ErrBroken) {
		return nil
	}
	return fmt.Errorf("waited alone: %w", err)
}

func (m *meeting) waitForAsLongAsAWalkTakes(a *Actor) error {
	if deadline, ok := a.Ctx.Deadline(); ok && time.Until(deadline) < longest+bound {
		return fmt.Errorf("the wait is over in %v: %w", time.Until(deadline), m.wait(a))
	}
	return m.wait(a)
}

// disperse tells those who are there, and nobody who comes later.
func (m *meeting) disperse(a *Actor) error { return errors.Join(m.Abort(), m.Reset(a.Ctx)) }

func named(t *testing.T, name string) Case {
	for _, c := range testCases() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no case %q", name)
	return Case{}
}

const patient = 10 * time.Second

func TestEveryDistinctStateIsTried(t *testing.T) {
	r, err := Try(Options{Limit: patient}, named(t, "whole"), Trial{})
	require.NoError(t, err)
	require.Empty(t, r.Failures)
	require.Equal(t, 3, r.States)
	require.Equal(t, r.Points, r.Tried)
	require.Equal(t, 2*r.Points, r.Trials, "each once with survivors there before, and once after")
	require.Equal(t, r.Trials, r.Survived)
}

// Its points would be behind the end of all other runs.
func TestAFirstRunThatIsLongerThanOthersIsNotTheMeasure(t *testing.T) {
	r, err := Try(Options{Limit: patient}, named(t, "longer at first"), Trial{})
	require.NoError(t, err)
	require.Empty(t, r.Failures)
	require.Less(t, r.Instructions, 1000)
	require.Equal(t, r.Points, r.Tried)
	require.Equal(t, r.Trials, r.Survived)
	require.Greater(t, r.Trials, 2*r.Points, "those of the first, and of the second")
}

// Of threads that are made while the lab takes hold of their process, or stops it, it has heard nothing yet. A process ends only
// when all of its threads that are held have been waited for, or let go.
func TestWhoMakesThreadsIsHeldAndLetGo(t *testing.T) {
	lab, err := New(Options{})
	require.NoError(t, err)
	defer lab.Close()
	c := named(t, "makes threads")
	for range 10 {
		p, err := lab.spawner.start("maker", -1)
		require.NoError(t, err)
		s := stage{lab: lab, c: &c, play: c.Play(), watch: &watch{}, victim: p}
		for _, act := range []string{actBegin, "ready"} {
			_, err := p.ask(order{Act: act, Case: c.Name, Bound: bound})
			require.NoError(t, err)
		}
		for range 10 {
			s.tracer, err = seize(p.pid(), 0, traceOptions)
			require.NoError(t, err)
			require.NoError(t, s.tracer.freeze())
			require.NoError(t, s.tracer.release())
		}
		s.tracer, err = seize(p.pid(), 0, traceOptions)
		require.NoError(t, err)
		require.NoError(t, s.strike())
	}
}

func TestEverySingleInstructionIsTried(t *testing.T) {
	r, err := Try(Options{Every: true, Limit: patient}, named(t, "whole"), Trial{})
	require.NoError(t, err)
	require.Empty(t, r.Failures)
	require.Equal(t, r.Instructions, r.Tried)
}

// The last step that is tried is the one before the operation's end: one more, and it is over.
func TestTheLastStepIsTheOperationsLast(t *testing.T) {
	lab, err := New(Options{Limit: patient})
	require.NoError(t, err)
	defer lab.Close()
	c := named(t, "whole")
	r := run{lab: lab, c: c, result: Result{Operation: c.Name}, marks: make(map[point]int)}
	require.NoError(t, lab.near(func() error { return r.reference() }))
	last := r.whole.points[len(r.whole.points)-1]
	require.Equal(t, r.whole.steps-1, last.steps)
	for steps, over := range map[int]bool{last.steps: false, last.steps + 1: true} {
		s, err := lab.set(&c)
		require.NoError(t, err)
		require.NoError(t, lab.near(func() error {
			p, ended, err := s.walk(s.tracer, &point{steps: steps}, nil)
			require.Equal(t, over, ended)
			require.Equal(t, steps, p.steps, "the count of steps repeats")
			return err
		}))
		require.NoError(t, s.strike())
	}
}

func TestWhatIsNotKeptIsFound(t *testing.T) {
	for name, says := range map[string]string{
		"half": "half changed", "hangs": "deadline exceeded", "panics": "panic: half changed",
		"backwards": "killed after",
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Try(Options{Fails: 1, Limit: patient}, named(t, name), Trial{})
			require.NoError(t, err)
			require.NotEmpty(t, r.Failures)
			require.Contains(t, r.Failures[0], says)
			require.Less(t, r.Survived, r.Trials)
		})
	}
}

func TestWhoIsStoppedMustNotBeTakenForDead(t *testing.T) {
	r, err := Try(Options{Sample: 1, Pauses: 1, Limit: patient}, named(t, "robs"), Trial{})
	require.NoError(t, err)
	require.NotEmpty(t, r.Failures)
	require.Contains(t, r.Failures[0], "took somebody for dead who is stopped")
}

// What lets a sleeper go on comes when it sleeps, also if it was stopped before.
func TestWhoWasStoppedIsUnblockedWhenItSleeps(t *testing.T) {
	r, err := Try(Options{Limit: patient}, named(t, "comes late to sleep"), Trial{At: "0", Pause: time.Millisecond})
	require.NoError(t, err)
	require.Empty(t, r.Failures)
	require.Equal(t, 1, r.Paused)
}

// The time in which the victim is stepped is not the waiter's.
func TestWhoWaitsForTheVictimHasTheTimeThatItIsStepped(t *testing.T) {
	r, err := Try(Options{Sample: 1, Limit: patient}, named(t, "is waited for"), Trial{})
	require.NoError(t, err)
	require.Empty(t, r.Failures)
}

func TestAFailureSaysHowToRepeatIt(t *testing.T) {
	r, err := Try(Options{Fails: 1, Limit: patient}, named(t, "half"), Trial{})
	require.NoError(t, err)
	require.NotEmpty(t, r.Failures)
	require.Contains(t, r.Failures[0], "lab_linux_amd64_test.go", "file and line of the instruction")
	require.Contains(t, r.Failures[0], "crashlab.(*pair).change")
	require.Contains(t, r.Failures[0], "rip 0x")
	var at int
	require.Contains(t, r.Failures[0], `-case "half" -at `)
	_, err = fmt.Sscanf(r.Failures[0], "half, -at %d", &at)
	require.NoError(t, err)
	again, err := Try(Options{Limit: patient}, named(t, "half"), Trial{At: fmt.Sprint(at)})
	require.NoError(t, err)
	require.NotEmpty(t, again.Failures)
}
