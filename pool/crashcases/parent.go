package crashcases

import (
	"context"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/pool"
	"github.com/kindred-ipc/kindred/proc"
)

// firm is the victim's own pool: with the victim its workers end, and nothing stays.
type firm struct{ pool *pool.Pool }

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
