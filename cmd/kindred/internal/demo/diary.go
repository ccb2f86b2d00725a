package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kindred-ipc/kindred/pool"
)

// event is one thing that the pool told, and when.
type event struct {
	pool.Event
	at time.Time
}

// path is the file that the event is about, "" for none.
func (e event) path() string { return pathOf(e.Input) }

func pathOf(input any) string {
	j, _ := input.(job)
	return j.Path
}

// cause is how the worker of a pool.WorkerLost ended.
func (e event) cause() string {
	if e.Signal != 0 {
		return fmt.Sprintf("signal %d, %v", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// diary keeps the pool's events in the order in which they came. Safe for concurrent use.
type diary struct {
	mu     sync.Mutex
	events []event
	added  chan struct{} // closed and replaced at each event
}

func newDiary() *diary { return &diary{added: make(chan struct{})} }

func (d *diary) add(e pool.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, event{e, time.Now()})
	close(d.added)
	d.added = make(chan struct{})
}

// snapshot returns the events so far, and a channel that is closed when there are more.
func (d *diary) snapshot() ([]event, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.events), d.added
}

// until waits until look no longer reports errNotYet of the events, and returns what else it reports. If ctx ends
// first it returns the last error of look's.
func (d *diary) until(ctx context.Context, look func([]event) error) error {
	for {
		events, added := d.snapshot()
		err := look(events)
		if !errors.Is(err, errNotYet) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-added:
		}
	}
}

// errNotYet: an event that should come has not come.
var errNotYet = errors.New("the pool has not told so")

// deathOf is the index of the event that tells of the victim's death.
func deathOf(victim killed, events []event) (int, error) {
	i := slices.IndexFunc(events, func(e event) bool { return e.Kind == pool.WorkerLost && e.Pid == victim.pid })
	if i < 0 {
		return 0, fmt.Errorf("worker %d (pid %d) was killed, but not noticed: %w", victim.id, victim.pid, errNotYet)
	}
	return i, nil
}

// restarts counts the workers that were started in the place of dead ones.
func restarts(events []event) int {
	n := 0
	seen := make(map[int]bool)
	for _, e := range events {
		if e.Kind == pool.WorkerStarted {
			if seen[e.ID] {
				n++
			}
			seen[e.ID] = true
		}
	}
	return n
}

// death is one kill and what the pool made of it.
type death struct {
	Worker      int     `json:"worker"`
	Pid         int     `json:"pid"`
	Task        string  `json:"task"`
	Results     int     `json:"results_in"`      // when it was killed
	Cause       string  `json:"cause"`           // as the pool reports it
	Noticed     seconds `json:"noticed_seconds"` // from the signal to the pool's event
	Replacement int     `json:"replacement_pid"`
	Attempt     int     `json:"attempt"`     // that the death led to
	DoneBy      int     `json:"done_by_pid"` // who returned the task's result in the end
}

// follow finds in events what became of victim: its death, the next attempt at its task, and its replacement. The
// error says which of these is not there.
func follow(victim killed, events []event) (death, error) {
	d := death{Worker: victim.id, Pid: victim.pid, Task: victim.path, Results: victim.results}
	i, err := deathOf(victim, events)
	if err != nil {
		return d, err
	}
	d.Cause = events[i].cause()
	d.Noticed = seconds(events[i].at.Sub(victim.at).Seconds())
	for _, e := range events[i:] {
		switch {
		case e.Kind == pool.TaskRetried && e.path() == victim.path && d.Attempt == 0:
			d.Attempt = e.Attempt
		case e.Kind == pool.WorkerStarted && e.ID == victim.id && d.Replacement == 0:
			d.Replacement = e.Pid
		}
	}
	if d.Attempt == 0 {
		return d, fmt.Errorf("%s was not done again after the death of worker %d (pid %d): %w", d.Task, d.Worker, d.Pid, errNotYet)
	}
	if d.Replacement == 0 {
		return d, fmt.Errorf("worker %d (pid %d) was not replaced: %w", d.Worker, d.Pid, errNotYet)
	}
	return d, nil
}

// followAll waits until every victim's death has had its consequences, and returns them in the order of victims.
// If ctx ends first the error says what is missing.
func (d *diary) followAll(ctx context.Context, victims []killed) ([]death, error) {
	deaths := make([]death, len(victims))
	err := d.until(ctx, func(events []event) (err error) {
		for i, victim := range victims {
			if deaths[i], err = follow(victim, events); err != nil {
				return err
			}
		}
		return nil
	})
	return deaths, err
}
