package crashlab

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Supported reports whether the lab runs on this platform.
const Supported = true

// Lab has two survivors that serve one trial after the other. It belongs to the goroutine that made
// it, which it ties to its thread.
type Lab struct {
	opts      Options
	dir       string
	cpu       int
	spawner   *spawner
	survivors []*process
	serial    int
	random    *rand.Rand
	census    []int
}

// victims' memory is under a directory of the lab's own, in memory.
const home = "/dev/shm"

// New makes a lab for programs whose Main knows the same cases.
func New(opts Options) (*Lab, error) {
	runtime.LockOSThread()
	cpu, err := firstCPU()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(home, "kindred-crashlab-")
	if err != nil {
		return nil, err
	}
	kind := childPlain
	if opts.net {
		kind = childWithNet
	}
	l := &Lab{
		opts: opts, dir: dir, cpu: cpu, spawner: newSpawner(kind),
		random: rand.New(rand.NewPCG(opts.Seed, 0)),
	}
	if err := l.staff(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// staff starts the survivors.
func (l *Lab) staff() error {
	for i := range 2 {
		p, err := l.survivor(i)
		if err != nil {
			return err
		}
		l.survivors = append(l.survivors, p)
	}
	return nil
}

func (l *Lab) survivor(i int) (*process, error) {
	return l.spawner.start(fmt.Sprintf("survivor %d", i), -1)
}

// replace ends one survivor, whatever he is at, and starts another one.
func (l *Lab) replace(i int) error {
	l.survivors[i].end()
	p, err := l.survivor(i)
	if err != nil {
		return err
	}
	l.survivors[i], l.census = p, nil
	return nil
}

// renew replaces the survivors, after a trial that they did not survive.
func (l *Lab) renew() error {
	for _, p := range l.survivors {
		p.end()
	}
	l.survivors, l.census = nil, nil
	_ = os.RemoveAll(l.dir)
	if err := os.Mkdir(l.dir, 0o700); err != nil {
		return err
	}
	return l.staff()
}

// victim starts one, on the CPU that the lab steps on.
func (l *Lab) victim() (*process, error) { return l.spawner.start("victim", l.cpu, victimEnv...) }

// Close ends all processes and leaves nothing.
func (l *Lab) Close() {
	for _, p := range l.survivors {
		p.end()
	}
	l.spawner.stop()
	_ = os.RemoveAll(l.dir)
	runtime.UnlockOSThread()
}

// near runs f with this thread on the victims' CPU: a step then costs a third.
func (l *Lab) near(f func() error) error {
	hurry(0, true)
	defer hurry(0, false)
	return confined(l.cpu, f)
}

// hurry lets a thread run before others where the lab may say so. A step is two switches between the
// lab's thread and the victim's: beside busy neighbours each of them would wait for their time slices,
// and a step would take milliseconds.
func hurry(thread int, on bool) {
	attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}
	if on {
		attr.Policy, attr.Priority, attr.Flags = unix.SCHED_RR, 1, unix.SCHED_FLAG_RESET_ON_FORK
	}
	_ = unix.SchedSetAttr(thread, attr, 0) // slower without
}

// leaks reports whether the survivors have more open than when it was first asked.
func (l *Lab) leaks() error {
	for i, p := range l.survivors {
		a, err := p.ask(order{Act: actCensus})
		if err != nil {
			return err
		}
		if len(l.census) <= i {
			l.census = append(l.census, a.Count)
		}
		if a.Count > l.census[i] {
			return fmt.Errorf("%s has %d descriptors and goroutines, and had %d before", p.role, a.Count, l.census[i])
		}
	}
	return nil
}

// pauseLab lets somebody else run for that many nanoseconds.
func pauseLab(ns int64) { unix.Nanosleep(&unix.Timespec{Sec: ns / 1e9, Nsec: ns % 1e9}, nil) }
