//go:build linux && amd64

package crashlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Main makes the program a child of the lab if the lab started it: it plays its part in the cases and
// exits. In any other process it returns at once. Call it at the top of main, behind proc.Main.
func Main(cases []Case) {
	switch os.Getenv(childVariable) {
	case "":
		return
	case imageEnds:
		os.Exit(0)
	case imageRests:
		for {
			_ = unix.Pause()
		}
	case childPlain:
		segment.WithoutNet()
	}
	_ = os.Unsetenv(childVariable) // processes that a case starts are not children of the lab
	c := child{wire: childWire(), cases: cases}
	for c.serve() {
	}
	os.Exit(0)
}

// child plays the parts of one process.
type child struct {
	wire  *wire
	cases []Case
	play  Play
	actor Actor
	waste []byte
}

// serve carries out one order, and reports whether there may be more.
func (c *child) serve() bool {
	var o order
	if c.wire.dec.Decode(&o) != nil {
		return false
	}
	var a answer
	a.Began = now()
	err := c.do(o, &a)
	a.Ended = now()
	if err != nil {
		a.Err, a.Late = err.Error(), errors.Is(err, context.DeadlineExceeded)
	}
	a.Deaths, c.actor.deaths = c.actor.deaths, nil
	a.Said, c.actor.words = c.actor.words, nil
	return c.wire.enc.Encode(a) == nil
}

func (c *child) do(o order, a *answer) error {
	if o.Bound > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), o.Bound)
		defer cancel()
		c.actor.Ctx = ctx
	}
	c.actor.Paused, c.actor.Stormy, c.actor.Said, c.actor.Deaths = o.Paused, o.Stormy, o.Said, o.Deaths
	switch o.Act {
	case actBegin:
		return c.begin(o)
	case actCreate:
		return c.create()
	case actAttach:
		return c.attach()
	case actOperate:
		return c.operate(o)
	case actStorm:
		return c.storm()
	case actLeave:
		return c.leave()
	case actBallast:
		c.waste = make([]byte, o.Memory)
		for i := 0; i < len(c.waste); i += os.Getpagesize() {
			c.waste[i] = 1
		}
		return nil
	case actCensus:
		n, err := census()
		a.Count = n
		return err
	case actForeign:
		var err error
		a.Pid, a.Thread, err = c.play.Foreign(&c.actor)
		return err
	case "check":
		if c.play.Check == nil {
			return nil
		}
		var err error
		a.State, err = c.play.Check(&c.actor)
		return err
	default:
		part, err := c.part(o.Act)
		if part == nil || err != nil {
			return err
		}
		return part(&c.actor)
	}
}

func (c *child) part(name string) (func(*Actor) error, error) {
	switch name {
	case "setup":
		return c.play.Setup, nil
	case "open":
		return c.play.Open, nil
	case "ready":
		return c.play.Ready, nil
	case "wait":
		return c.play.Wait, nil
	case "victim":
		return c.play.Victim, nil
	case "unblock":
		return c.play.Unblock, nil
	case "finish":
		return c.play.Finish, nil
	case "recover":
		return c.play.Recover, nil
	default:
		return nil, fmt.Errorf("no act %q", name)
	}
}

func (c *child) begin(o order) error {
	i := slices.IndexFunc(c.cases, func(x Case) bool { return x.Name == o.Case })
	if i < 0 {
		return fmt.Errorf("no case %q in this program", o.Case)
	}
	c.play = c.cases[i].Play()
	c.actor = Actor{N: o.N, Dir: o.Dir, Name: o.Name}
	return nil
}

// slots is how many participants a trial's segment has room for: few, because all are compared after
// every step.
const slots = 12

// size is how much room there is for objects in a trial's segment, if the case does not say.
const size = 60 << 10

func (c *child) create() (err error) {
	a := &c.actor
	room := c.play.Room
	if room == 0 {
		room = size
	}
	a.Segment, err = shm.Create(a.Name, room, append(a.Options(), shm.Participants(slots))...)
	return err
}

func (c *child) attach() (err error) {
	c.actor.Segment, err = shm.Open(c.actor.Name, c.actor.Options()...)
	return err
}

func (c *child) leave() (err error) {
	if c.play.Leave != nil {
		err = c.play.Leave(&c.actor)
	}
	c.play = Play{}
	if c.actor.Segment == nil {
		return err
	}
	err = errors.Join(err, c.actor.Segment.Close())
	c.actor.Segment = nil
	return err
}

// operate does a part between two marks, on a thread of its own. The first answer says which; what
// comes of the operation is the second.
func (c *child) operate(o order) error {
	part, err := c.part(o.Part)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.wire.enc.Encode(answer{Thread: unix.Gettid()}); err != nil {
		return err
	}
	var ready order
	if err := c.wire.dec.Decode(&ready); err != nil {
		return err
	}
	mark()
	err = part(&c.actor)
	mark()
	return err
}

func (c *child) storm() error {
	go func() {
		for c.actor.Ctx = context.Background(); ; {
			if err := c.play.Storm(&c.actor); err != nil {
				fmt.Fprintln(os.Stderr, "storm:", err)
				os.Exit(1)
			}
		}
	}()
	return nil
}

// census counts descriptors and goroutines, after what is on its way out had time to go.
func census() (int, error) {
	best := 0
	for i := range 20 {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return 0, err
		}
		n := len(entries) + runtime.NumGoroutine()
		if i == 0 || n < best {
			best = n
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	return best, nil
}

// now is CLOCK_MONOTONIC, which all processes share.
func now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
