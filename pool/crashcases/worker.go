package crashcases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/pool"
)

// crew is survivor 0's pool of one worker, which is the victim: it is stepped from within call 1, over
// the commit of its reply, the wait for call 2 and its claim, into call 2.
type crew struct {
	retry int
	load  int // bytes of each message
	task  *pool.Typed[job, job]
	row   bool // both calls' inputs are a row
	slice bool // and a slice
	opts  []pool.Option

	pool  *pool.Pool
	calls [4]*pending // by number; 0 is not used
	lost  chan struct{}
	once  sync.Once

	mu      sync.Mutex
	pids    []int // of all workers that there were
	retried []int // the numbers of calls that were begun again
}

// pending is a call under way.
type pending struct {
	done chan struct{}
	out  job
	err  error
}

// patience is how long a call may take: as long as the lab may step.
const patience = 10 * time.Minute

func (c *crew) call(n int) *pending {
	p := &pending{done: make(chan struct{})}
	c.calls[n] = p
	go func() {
		defer close(p.done)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		p.out, p.err = c.task.Call(ctx, c.pool, c.job(n))
	}()
	return p
}

func (c *crew) job(n int) job { return job{n, bytes.Repeat([]byte{byte(n)}, c.load)} }

// right reports whether the call has returned what it is to return.
func (c *crew) right(p *pending, n int) error {
	if p.err != nil {
		return p.err
	}
	if j := c.job(n); p.out.N != j.N || !bytes.Equal(p.out.Load, j.Load) {
		return fmt.Errorf("call %d returned %d and %d bytes, not its own", n, p.out.N, len(p.out.Load))
	}
	return nil
}

func (c *crew) event(e pool.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Kind {
	case pool.WorkerStarted:
		c.pids = append(c.pids, e.Pid)
	case pool.WorkerLost:
		c.once.Do(func() { close(c.lost) })
	case pool.TaskRetried:
		c.retried = append(c.retried, e.Input.(job).N)
	}
}

// start makes the pool and has its worker say who it is.
func (c *crew) start(a *crashlab.Actor) (pid, thread int, err error) {
	c.lost = make(chan struct{})
	// The trial is longer than the context of this part of it.
	opts := append([]pool.Option{pool.Workers(1), pool.Retry(c.retry), pool.OnEvent(c.event), surroundings(a)}, c.opts...)
	c.pool, err = pool.New(context.Background(), opts...)
	if err != nil {
		return 0, 0, err
	}
	// What is done once in a process's life is done.
	if _, err := c.task.Call(a.Ctx, c.pool, c.job(0)); err != nil {
		return 0, 0, err
	}
	if _, err := number.Call(a.Ctx, c.pool, 0); err != nil {
		return 0, 0, err
	}
	who, err := introduce.Call(a.Ctx, c.pool, true)
	return who.Pid, who.Thread, err
}

func (c *crew) first(*crashlab.Actor) error {
	c.call(1)
	return nil
}

// both has the calls made by one request.
func (c *crew) both(*crashlab.Actor) error {
	for n := 1; n <= 2; n++ {
		c.calls[n] = &pending{done: make(chan struct{})}
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		n := 1
		settle := func(out job, err error) bool {
			c.calls[n].out, c.calls[n].err = out, err
			close(c.calls[n].done)
			n++
			return true
		}
		if c.slice {
			all, err := number.MapSlice(ctx, c.pool, []int{1, 2}, pool.Chunk(2))
			var failed *pool.InputError
			errors.As(err, &failed)
			for i, n := range all {
				var err error
				if failed != nil && failed.Index == i {
					n, err = i+1, failed.Err
				}
				settle(c.job(n), err)
			}
			return
		}
		if !c.row {
			c.task.Map(ctx, c.pool, slices.Values([]job{c.job(1), c.job(2)}), pool.Chunk(2))(settle)
			return
		}
		for n, err := range number.Map(ctx, c.pool, slices.Values([]int{1, 2}), pool.Chunk(2)) {
			settle(c.job(n), err)
		}
	}()
	return nil
}

func (c *crew) second(*crashlab.Actor) error {
	c.call(2)
	return nil
}

// finish waits for the calls of a worker that nobody killed.
func (c *crew) finish(a *crashlab.Actor) error {
	for n, p := range c.calls {
		if p == nil {
			continue
		}
		select {
		case <-p.done:
		case <-a.Ctx.Done():
			return a.Ctx.Err()
		}
		if err := c.right(p, n); err != nil {
			return err
		}
	}
	return nil
}

var errLost = errors.New("the pool says that its worker is lost")

// hear waits until the pool knows of the death, and whoever waited for the dead one has his answer.
func (c *crew) hear(a *crashlab.Actor) error {
	if a.N != 0 {
		return nil // the others have no part in it
	}
	select {
	case <-c.lost:
		a.Died(errLost, errLost)
	case <-a.Ctx.Done():
		return a.Ctx.Err()
	}
	if c.retry > 0 {
		return nil // for his answer another process has to be started; see check
	}
	select {
	case <-c.calls[1].done:
		return nil
	case <-a.Ctx.Done():
		return a.Ctx.Err()
	}
}

// died reports whether the call says that its worker was killed, as it should.
func died(p *pending, times int) (bool, error) {
	var d *pool.WorkerDied
	if !errors.As(p.err, &d) {
		return false, nil
	}
	if d.Signal != syscall.SIGKILL || d.Attempts != times {
		return false, fmt.Errorf("%w: that is not how it died", p.err)
	}
	return true, nil
}

// The states of the worker's part: in call 1, behind the commit of its reply, in call 2.
var workerStates = []string{"call 1 begun", "call 1 replied to", "call 2 begun"}

// check holds the calls' outcomes and what the workers noted against what was promised, and uses the pool
// on.
func (c *crew) check(a *crashlab.Actor) (string, error) {
	reached, err := c.outcomes(a)
	if err != nil {
		return "", err
	}
	next, err := echo.Call(a.Ctx, c.pool, c.job(3))
	if err != nil || next.N != 3 {
		return "", fmt.Errorf("the next call: %d, %w", next.N, err)
	}
	if len(c.started()) != 2 {
		return "", fmt.Errorf("there were %d workers: %v", len(c.pids), c.pids)
	}
	return workerStates[reached], c.gone(a)
}

// checkAsked is check for a call that makes another one.
func (c *crew) checkAsked(a *crashlab.Actor) (string, error) {
	select {
	case <-c.calls[1].done:
	case <-a.Ctx.Done():
		return "", a.Ctx.Err()
	}
	lost, err := died(c.calls[1], 1)
	if err == nil && !lost {
		err = c.right(c.calls[1], 1)
	}
	if err != nil {
		return "", err
	}
	times, err := noted(a, "1")
	if err != nil {
		return "", err
	}
	if times > 1 || times < 1 && !lost {
		return "", fmt.Errorf("the call within the call was begun %d times", times)
	}
	next, err := ask.Call(a.Ctx, c.pool, c.job(3))
	if err != nil || next.N != 3 {
		return "", fmt.Errorf("the next call: %d, %w", next.N, err)
	}
	return "", c.gone(a)
}

// started are the processes of all workers that there were.
func (c *crew) started() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.pids)
}

// gone ends the pool, and holds that no worker is left.
func (c *crew) gone(a *crashlab.Actor) error {
	if err := c.pool.Shutdown(a.Ctx); err != nil {
		return err
	}
	for _, pid := range c.started() {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("worker %d is still there: %w", pid, err)
		}
	}
	return nil
}

// outcomes says which of the states the worker had reached.
func (c *crew) outcomes(a *crashlab.Actor) (reached int, err error) {
	reached = 1
	for n, p := range c.calls {
		if p == nil {
			continue
		}
		select {
		case <-p.done:
		case <-a.Ctx.Done():
			return 0, fmt.Errorf("call %d: %w", n, a.Ctx.Err())
		}
		lost, err := died(p, 1)
		if err == nil && !lost {
			err = c.right(p, n)
		}
		if err == nil {
			err = c.begun(a, n, lost)
		}
		if err != nil {
			return 0, fmt.Errorf("call %d: %w", n, err)
		}
		// Call 2 may have waited for a worker that slept in call 1: the first that was cut off counts.
		if reached == 1 && (lost || c.again(n)) {
			reached = 2 * (n - 1)
		}
	}
	return reached, nil
}

// begun holds how often call n was begun against how often it may have been.
func (c *crew) begun(a *crashlab.Actor, n int, lost bool) error {
	times, err := noted(a, fmt.Sprint(n))
	if err != nil {
		return err
	}
	least, most := 1, 1
	if n > 1 && lost {
		least = 0 // it was claimed, and not begun
	}
	if c.again(n) {
		most = 2
	}
	if lost && c.retry > 0 {
		return errors.New("it was lost in spite of Retry")
	}
	if times < least || times > most {
		return fmt.Errorf("it was begun %d times, and not %d to %d", times, least, most)
	}
	return nil
}

// again reports whether call n was begun again.
func (c *crew) again(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.retried {
		if m == n {
			return true
		}
	}
	return false
}

// leave ends what the trial has left.
func (c *crew) leave(*crashlab.Actor) error {
	if c.pool != nil {
		c.pool.Terminate()
		if err := c.pool.Join(context.Background()); err != nil {
			return err
		}
	}
	for _, p := range c.calls {
		if p != nil {
			<-p.done
		}
	}
	return nil
}

func workerCases() []crashlab.Case {
	play := func(retry, load int) func() crashlab.Play {
		return func() crashlab.Play {
			c := &crew{retry: retry, load: load, task: echo}
			return crashlab.Play{
				Bare: true, Foreign: c.start, Victim: c.first, Unblock: c.second, Finish: c.finish,
				Recover: c.hear, Check: c.check, Leave: c.leave,
			}
		}
	}
	playBoth := func(row, slice bool) func() crashlab.Play {
		return func() crashlab.Play {
			c := &crew{task: echo, row: row, slice: slice}
			return crashlab.Play{
				Bare: true, Foreign: c.start, Victim: c.both, Finish: c.finish, Recover: c.hear, Check: c.check, Leave: c.leave,
				Unblock: func(*crashlab.Actor) error { return nil }, // both are on the way
			}
		}
	}
	return []crashlab.Case{
		{
			Name:   "pool.Typed.Call, its worker dies",
			Covers: []string{"pool.Typed.Call"},
			States: workerStates,
			Play:   play(0, 0),
		},
		{
			Name:   "pool.Typed.Call, its worker dies, with Retry",
			Covers: []string{"pool.Typed.Call", "pool.Retry"},
			States: workerStates,
			Play:   play(1, 0),
		},
		{
			Name:   "pool.Typed.Call, its worker dies at a message of the ring",
			Covers: []string{"pool.Typed.Call"},
			States: workerStates,
			Play:   play(0, 4_000),
		},
		{
			Name:   "pool.Typed.Call, its worker dies at a message in parts",
			Covers: []string{"pool.Typed.Call"},
			States: workerStates,
			Play:   play(0, 40_000),
		},
		{
			Name:   "pool.Typed.Map, its worker dies",
			Covers: []string{"pool.Typed.Map"},
			States: workerStates,
			Play:   playBoth(false, false),
		},
		{
			Name:   "pool.Typed.Map of plain memory, its worker dies",
			Covers: []string{"pool.Typed.Map"},
			States: workerStates,
			Play:   playBoth(true, false),
		},
		{
			Name:   "pool.Typed.MapSlice, its worker dies",
			Covers: []string{"pool.Typed.MapSlice"},
			States: workerStates,
			Play:   playBoth(true, true),
		},
		{
			Name:   "pool.Current, the worker that asks dies",
			Covers: []string{"pool.Current", "pool.Typed.Call"},
			Play: func() crashlab.Play {
				c := &crew{task: ask}
				return crashlab.Play{
					Bare: true, Foreign: c.start, Victim: c.first, Finish: c.finish, Recover: c.hear, Check: c.checkAsked, Leave: c.leave,
					Unblock: func(*crashlab.Actor) error { return nil }, // its answer is on the way
				}
			},
		},
	}
}
