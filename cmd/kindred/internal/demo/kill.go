package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/pool"
)

const (
	lookEvery = time.Millisecond // how often a killer looks whether it is time
	linger    = time.Second      // how long a bait stays with its worker: long enough to be caught on a machine that is busy
)

// errNotStopped: the process is gone, did not stop in time, or the context ended first.
var errNotStopped = errors.New("process did not stop")

// staff is the workers as the pool sees them.
type staff interface{ Workers() []pool.Worker }

// signals is how the killer acts on a process.
type signals interface {
	// stop returns when every thread of the process has stopped; errNotStopped if it did not come to that, and
	// then the process is not left stopped.
	stop(ctx context.Context, pid int) error
	resume(pid int) error
	kill(pid int) error
}

// killed is a worker that was killed at work.
type killed struct {
	id      int
	pid     int
	path    string // the file that it held
	at      time.Time
	results int // how many results were in
}

// killer kills workers with SIGKILL while they hold a task, want of them, spread evenly over the results: one
// half-way, two at a third and at two thirds. The victim is stopped before it is looked at, so that what it is seen
// to hold is what it dies with.
//
// A tree of a few small files may be done before anybody can be caught at work. So each kill has a bait, the last
// file before the next kill's turn: if it is handed out while its kill is still owed, whoever counts it lingers
// over it. In a larger tree that does not happen.
type killer struct {
	want    int
	files   []string // in the order in which they are handed out
	crew    staff
	signals signals
	tell    func(killed) // called at each kill

	results atomic.Int64 // results that are in
	handed  atomic.Int64 // files that were handed out
	done    atomic.Int64 // kills; stored by run alone
	baits   map[int]int  // by index of the file: which kill's bait it is
}

// plan chooses the baits. The fields above the atomic ones must be set.
func (k *killer) plan() *killer {
	k.baits = make(map[int]int, k.want)
	for n := 1; n <= k.want; n++ {
		k.baits[k.bait(n)] = n
	}
	return k
}

// point is how many results must be in before kill n, counted from 1. It grows with n as long as there are at
// most as many kills as files.
func (k *killer) point(n int) int { return n * len(k.files) / (k.want + 1) }

// bait is the index of the file that lingers if kill n is still owed when it is handed out.
func (k *killer) bait(n int) int { return k.point(n+1) - 1 }

// hand notes that file i is handed out, and says how long its worker should linger over it.
func (k *killer) hand(i int) time.Duration {
	k.handed.Store(int64(i + 1))
	if n, ok := k.baits[i]; ok && int64(n) > k.done.Load() {
		return linger
	}
	return 0
}

// due reports whether it is time for kill n: its results are in, or its bait was handed out and somebody lingers over it, which may be
// the last chance; or over the bait of a kill before, which may be the last as well: who had that of kill n may be done.
func (k *killer) due(n int) bool {
	if k.results.Load() >= int64(k.point(n)) {
		return true
	}
	if k.handed.Load() <= int64(k.bait(n)) {
		return false
	}
	return slices.ContainsFunc(k.crew.Workers(), func(w pool.Worker) bool { return k.lures(holds(w), n) })
}

// lures reports whether a file is the bait of kill n, or of one before it.
func (k *killer) lures(path string, n int) bool {
	for ; n > 0; n-- {
		if path == k.files[k.bait(n)] {
			return true
		}
	}
	return false
}

// start runs the killer beside the work. The function that it returns ends that, waits for it, and returns what run
// returned: after it no worker is left stopped.
func (k *killer) start(ctx context.Context) (join func() ([]killed, error)) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	var victims []killed
	var err error
	go func() {
		defer close(done)
		victims, err = k.run(ctx)
	}()
	return func() ([]killed, error) {
		cancel()
		<-done
		return victims, err
	}
}

// run kills until it has killed as many as it was asked, or ctx ends, and returns those it killed. It leaves no
// process stopped. The error is one of the operating system's; the end of ctx is none.
func (k *killer) run(ctx context.Context) ([]killed, error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var victims []killed
	for len(victims) < k.want {
		select {
		case <-ctx.Done():
			return victims, nil
		case <-tick.C:
		}
		if !k.due(len(victims) + 1) {
			continue
		}
		victim, err := k.strike(ctx, len(victims))
		if err != nil {
			return victims, err
		}
		if victim != nil {
			victims = append(victims, *victim)
			k.done.Store(int64(len(victims)))
		}
	}
	return victims, nil
}

// strike tries the workers in turn, beginning with another one at each kill, until it finds one that holds a task
// when it has stopped, and kills that. Nil if there was none.
func (k *killer) strike(ctx context.Context, first int) (*killed, error) {
	workers := k.crew.Workers()
	for i := range workers {
		w := workers[(first+i)%len(workers)]
		if w.Running == nil {
			continue
		}
		victim, err := k.try(ctx, w.ID, w.Pid)
		if victim != nil || err != nil {
			return victim, err
		}
	}
	return nil, nil
}

// try stops a worker and kills it if it holds a task then; if not, it goes on.
func (k *killer) try(ctx context.Context, id, pid int) (*killed, error) {
	err := k.signals.stop(ctx, pid)
	if errors.Is(err, errNotStopped) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("stop worker %d (pid %d): %w", id, pid, err)
	}
	path := k.heldBy(pid)
	if path == "" {
		return nil, k.resume(pid)
	}
	victim := &killed{id: id, pid: pid, path: path, at: time.Now(), results: int(k.results.Load())}
	if err := k.signals.kill(pid); err != nil {
		return nil, errors.Join(fmt.Errorf("kill worker %d (pid %d): %w", id, pid, err), k.resume(pid))
	}
	k.tell(*victim)
	return victim, nil
}

// heldBy is the file that the worker pid counts now, "" if it counts none or is no worker any more.
func (k *killer) heldBy(pid int) string {
	for _, w := range k.crew.Workers() {
		if w.Pid == pid {
			return holds(w)
		}
	}
	return ""
}

// holds is the file that w counts, "" for none.
func holds(w pool.Worker) string {
	if w.Running == nil {
		return ""
	}
	return pathOf(w.Running.Input)
}

func (k *killer) resume(pid int) error {
	if err := k.signals.resume(pid); err != nil {
		return fmt.Errorf("resume pid %d: %w", pid, err)
	}
	return nil
}
