package crashcases

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

// firm is the victim's own pool: with the victim its workers end, and nothing stays.
type firm struct {
	pool  *pool.Pool
	given context.Context // of a call that is given up; see mayQuit
}

// found makes the pool, for longer than the part of the trial that makes it.
func (f *firm) found(a *crashlab.Actor) (err error) {
	if err = a.Found(); err != nil {
		return err
	}
	if err = f.open(a); err != nil {
		return err
	}
	// What is done once in a process's life is done.
	_, err = echo.Call(a.Ctx, f.pool, job{})
	return err
}

func (f *firm) open(a *crashlab.Actor) (err error) {
	f.pool, err = pool.New(context.Background(), pool.Workers(1), surroundings(a), pool.Process(proc.Stderr(nil)))
	return err
}

func (f *firm) close(a *crashlab.Actor) error {
	_ = f.pool.Close() // and then once more
	return f.pool.Shutdown(a.Ctx)
}

func (f *firm) terminate(a *crashlab.Actor) error {
	f.pool.Terminate()
	return f.pool.Join(a.Ctx)
}

// request makes a call.
func (f *firm) request(a *crashlab.Actor) error {
	out, err := echo.Call(a.Ctx, f.pool, job{N: 1})
	if err == nil && out.N != 1 {
		err = fmt.Errorf("call 1 returned %d", out.N)
	}
	return err
}

// long makes a call that returns when the gate is open.
func (f *firm) long(a *crashlab.Actor) error {
	_, err := hold.Call(a.Ctx, f.pool, 1)
	return err
}

// several makes calls in a row.
func (f *firm) several(a *crashlab.Actor) error {
	for _, err := range echo.Map(a.Ctx, f.pool, slices.Values([]job{{N: 1}, {N: 2}})) {
		if err != nil {
			return err
		}
	}
	return nil
}

// whole is several, all at once.
func (f *firm) whole(a *crashlab.Actor) error {
	_, err := echo.MapSlice(a.Ctx, f.pool, []job{{N: 1}, {N: 2}})
	return err
}

// unordered is several, as they come.
func (f *firm) unordered(a *crashlab.Actor) error {
	for _, err := range echo.MapUnordered(a.Ctx, f.pool, slices.Values([]job{{N: 1}, {N: 2}})) {
		if err != nil {
			return err
		}
	}
	return nil
}

// later makes calls for which nobody waits at first.
func (f *firm) later(a *crashlab.Actor) error {
	fs := echo.GoMany(a.Ctx, f.pool, []job{{N: 1}, {N: 2}})
	_, err := pool.WaitAll(a.Ctx, fs...)
	return err
}

// everywhere makes a call on each worker.
func (f *firm) everywhere(a *crashlab.Actor) error {
	_, err := echo.Broadcast(a.Ctx, f.pool, job{N: 1})
	return err
}

// mayQuit is found, and has a goroutine that gives up the call that the victim makes when it is asked to.
func (f *firm) mayQuit(a *crashlab.Actor) error {
	var give context.CancelFunc
	f.given, give = context.WithCancel(context.Background())
	path := a.Scratch(quit)
	go func() {
		for {
			if _, err := os.Stat(path); err == nil {
				give()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	return f.found(a)
}

// givenUp holds that a call was.
func givenUp(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("a call that was given up: %w", err)
}

// quits gives up a call that is under way.
func (f *firm) quits(*crashlab.Actor) error {
	_, err := heed.Call(f.given, f.pool, 1)
	return givenUp(err)
}

// quitsAll gives up several.
func (f *firm) quitsAll(*crashlab.Actor) error {
	_, err := heed.MapSlice(f.given, f.pool, []int{1, 2}, pool.Chunk(2))
	return givenUp(err)
}

// quitsTurn gives up a call that has no worker yet.
func (f *firm) quitsTurn(*crashlab.Actor) error {
	_, err := echo.Call(f.given, f.pool, job{N: 1})
	return givenUp(err)
}

// taken is mayQuit, and the worker is at a call that does not end.
func (f *firm) taken(a *crashlab.Actor) error {
	if err := f.mayQuit(a); err != nil {
		return err
	}
	go func() { _, _ = hold.Call(context.Background(), f.pool, 1) }()
	for f.pool.Workers()[0].Running == nil {
		if err := a.Nap(); err != nil {
			return err
		}
	}
	return nil
}

// deaf is mayQuit, and the worker stands still.
func (f *firm) deaf(a *crashlab.Actor) error {
	if err := f.mayQuit(a); err != nil {
		return err
	}
	return syscall.Kill(f.pool.Workers()[0].Pid, syscall.SIGSTOP)
}

// quitsHalf gives up a call whose request does not fit into the ring.
func (f *firm) quitsHalf(*crashlab.Actor) error {
	_, err := echo.Call(f.given, f.pool, job{1, make([]byte, 200_000)})
	return givenUp(err)
}

// replaces kills the worker, and makes a call, for which there has to be another one.
func (f *firm) replaces(a *crashlab.Actor) error {
	if err := syscall.Kill(f.pool.Workers()[0].Pid, syscall.SIGKILL); err != nil {
		return err
	}
	return f.request(a)
}

// replacesOn is replaces, over and over, as soon as it is known who is to be killed.
func (f *firm) replacesOn(a *crashlab.Actor) error {
	for f.pool.Workers()[0].Pid == 0 {
		if err := a.Nap(); err != nil {
			return err
		}
	}
	return f.replaces(a)
}

// work is all of it.
func (f *firm) work(a *crashlab.Actor) error {
	for _, part := range []func(*crashlab.Actor) error{
		f.found, f.request, f.several, f.unordered, f.later, f.everywhere, f.close,
	} {
		if err := part(a); err != nil {
			return err
		}
	}
	return nil
}

// orphaned waits for the end of the victim's workers.
func orphaned(a *crashlab.Actor) error { return a.Orphaned() }

// begunOnce holds what the workers noted against how often a call may be begun.
func begunOnce(a *crashlab.Actor) (string, error) {
	for _, n := range []string{"1", "2"} {
		times, err := noted(a, n)
		if err != nil {
			return "", err
		}
		if times > 1 {
			return "", fmt.Errorf("call %s was begun %d times", n, times)
		}
	}
	return "", nil
}

func parentCases() []crashlab.Case {
	of := func(name string, covers []string, play func(f *firm) crashlab.Play) crashlab.Case {
		return crashlab.Case{
			Name: name, Covers: covers,
			Play: func() crashlab.Play {
				p := play(&firm{})
				p.Bare, p.Recover = true, orphaned
				if p.Storm == nil {
					p.Check = begunOnce
				}
				return p
			},
		}
	}
	call := []string{"pool.Typed.Call"}
	return []crashlab.Case{
		of("pool.Typed.Call, the parent dies", call, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.found, Victim: f.request}
		}),
		of("pool.Typed.Call, the parent dies asleep", call, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.found, Victim: f.long, Unblock: openGate}
		}),
		of("pool.Typed.Call, given up, the parent dies", call, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.mayQuit, Victim: f.quits, Unblock: askToQuit}
		}),
		of("pool.Typed.Call, given up half sent, the parent dies", call, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.deaf, Victim: f.quitsHalf, Unblock: askToQuit}
		}),
		of("pool.Typed.Call, given up without a worker, the parent dies", call, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.taken, Victim: f.quitsTurn, Unblock: askToQuit}
		}),
		of("pool.Typed.MapSlice, given up, the parent dies", []string{"pool.Typed.MapSlice"}, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.mayQuit, Victim: f.quitsAll, Unblock: askToQuit}
		}),
		of("pool.Typed.Call, the parent dies when it replaces a worker", call, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.found, Victim: f.replaces, Storm: f.replacesOn}
		}),
		of("pool.Typed.Map", []string{"pool.Typed.Map"}, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.found, Victim: f.several}
		}),
		of("pool.Typed.MapSlice", []string{"pool.Typed.MapSlice"}, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.found, Victim: f.whole}
		}),
		of("pool.Typed.MapUnordered", []string{"pool.Typed.MapUnordered"}, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.found, Victim: f.unordered}
		}),
		of("pool.Typed.GoMany", []string{"pool.Typed.Go", "pool.Typed.GoMany", "pool.WaitAll"}, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.found, Victim: f.later}
		}),
		of("pool.Typed.Broadcast", []string{"pool.Typed.Broadcast"}, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.found, Victim: f.everywhere}
		}),
		of("pool.New", []string{"pool.New"}, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: (*crashlab.Actor).Found, Victim: f.open, Storm: f.work}
		}),
		of("pool.Pool.Shutdown", []string{"pool.Pool.Close", "pool.Pool.Join", "pool.Pool.Shutdown"}, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.found, Victim: f.close}
		}),
		of("pool.Pool.Terminate", []string{"pool.Pool.Terminate"}, func(f *firm) crashlab.Play {
			return crashlab.Play{Ready: f.found, Victim: f.terminate}
		}),
	}
}
