package demo

import (
	"context"
	"errors"
	"iter"
	"sync"
	"syscall"

	"github.com/kindred-ipc/kindred/pool"
)

// fakeCrew does the jobs in one goroutine, in order, on fake workers in turn. It is at once the processes that the
// killer acts on: a killed worker is replaced and its job done again by the new one.
type fakeCrew struct {
	spoil   func(*packed) // changes each result on its way, if set
	failing error         // returned for every job, if set
	unseen  bool          // no worker is ever seen at work

	d        *diary
	requests []int // what hire was called with

	mu      sync.Mutex
	staff   []pool.Worker
	stopped map[int]bool
	resumed int
	lastPid int
	closed  bool
}

func (c *fakeCrew) hire(_ context.Context, n, retries int, d *diary) (crew, error) {
	c.d = d
	c.requests = append(c.requests, n, retries)
	for id := range n {
		c.staff = append(c.staff, pool.Worker{ID: id, Pid: c.spawn(id)})
	}
	return c, nil
}

func (c *fakeCrew) spawn(id int) int {
	c.lastPid++
	c.d.add(pool.Event{Kind: pool.WorkerStarted, ID: id, Pid: c.lastPid})
	return c.lastPid
}

func (c *fakeCrew) Count(ctx context.Context, jobs iter.Seq[job]) iter.Seq2[packed, error] {
	return func(yield func(packed, error) bool) {
		id := 0
		for j := range jobs {
			result, err := c.work(ctx, id, j)
			if !yield(result, err) || err != nil {
				return
			}
			id = (id + 1) % len(c.staff)
		}
	}
}

// work does one job on worker id. If the worker is killed meanwhile, the job is done again.
func (c *fakeCrew) work(ctx context.Context, id int, j job) (packed, error) {
	if c.failing != nil {
		return packed{}, c.failing
	}
	j.Linger /= 3 // three hundred milliseconds are for machines under load
	c.mu.Lock()
	pid := c.staff[id].Pid
	c.staff[id].Running = &pool.Running{Input: j, Attempt: 1}
	c.mu.Unlock()

	result, err := j.do(ctx, pid)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.staff[id].Running = nil
	if c.staff[id].Pid == absent {
		c.d.add(pool.Event{Kind: pool.WorkerLost, ID: id, Pid: pid, Code: -1, Signal: syscall.SIGKILL, Input: j, Attempt: 1})
		c.staff[id].Pid = c.spawn(id)
		c.d.add(pool.Event{Kind: pool.TaskRetried, ID: id, Pid: c.staff[id].Pid, Input: j, Attempt: 2})
		result, err = j.do(ctx, c.staff[id].Pid)
	}
	if c.spoil != nil {
		c.spoil(&result)
	}
	return result, err
}

// absent is the pid of a worker that was killed and is not replaced yet.
const absent = 0

func (c *fakeCrew) Workers() []pool.Worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make([]pool.Worker, len(c.staff))
	copy(seen, c.staff)
	for i := range seen {
		if c.unseen || seen[i].Pid == absent {
			seen[i].Running = nil
		}
	}
	return seen
}

var errClosedTwice = errors.New("closed twice")

func (c *fakeCrew) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosedTwice
	}
	c.closed = true
	return nil
}

func (c *fakeCrew) stop(_ context.Context, pid int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped == nil {
		c.stopped = make(map[int]bool)
	}
	c.stopped[pid] = true
	return nil
}

func (c *fakeCrew) resume(pid int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.stopped, pid)
	c.resumed++
	return nil
}

var errNotStoppedFirst = errors.New("killed without being stopped first")

func (c *fakeCrew) kill(pid int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped[pid] {
		return errNotStoppedFirst
	}
	delete(c.stopped, pid)
	for i := range c.staff {
		if c.staff[i].Pid == pid {
			c.staff[i].Pid = absent
		}
	}
	return nil
}
