package demo

import (
	"context"
	"errors"
	"iter"
	"time"
)

// consequences is how long the pool may take to replace a worker after the last result is in.
const consequences = 10 * time.Second

// job is what a worker is asked to do.
type job struct {
	Path   string
	Linger time.Duration // stay that long at least, so as to be caught at work
}

// do is the task, in the worker.
func (j job) do(ctx context.Context, pid int) (packed, error) {
	t := newTally()
	if err := t.count(j.Path); err != nil {
		return packed{}, err
	}
	if j.Linger > 0 {
		if err := pause(ctx, j.Linger); err != nil {
			return packed{}, err
		}
	}
	p := t.pack()
	p.Pid = pid
	return p, nil
}

// crew is the pool as the demo uses it.
type crew interface {
	staff
	Count(ctx context.Context, jobs iter.Seq[job]) iter.Seq2[packed, error] // results in the order of jobs
	Close() error
}

// hire starts n workers, which begin a task again up to retries times, and writes what happens to them into d.
type hire func(ctx context.Context, n, retries int, d *diary) (crew, error)

// fanned is what came of the work by processes.
type fanned struct {
	outcome
	deaths   []death
	restarts int
}

// fanOut counts the tree with o.workers processes, kills o.kill of them on the way, and returns when all of them
// have ended. The time is that from the start of the first worker to the last result.
func fanOut(ctx context.Context, t *tree, o options, shown *progress, hire hire, s signals) (f fanned, err error) {
	events := newDiary()
	var c crew
	defer func() {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}()

	var victims []killed
	doneBy := make(map[string]int)
	f.outcome, err = timed(shown, "processes", t, func(counted func()) (*tally, error) {
		var err error
		// A bait that lingers may be what every victim holds.
		if c, err = hire(ctx, o.workers, o.kill, events); err != nil {
			return nil, err
		}
		k := (&killer{want: o.kill, files: t.files, crew: c, signals: s, tell: func(v killed) {
			shown.note("killed worker %d (pid %d) at %s", v.id, v.pid, t.name(v.path))
		}}).plan()
		join := k.start(ctx)
		result, err := collect(ctx, c, t.files, k, func(path string, pid int) {
			doneBy[path] = pid
			counted()
		})
		var killing error
		victims, killing = join()
		return result, errors.Join(err, killing)
	})
	if err != nil {
		return f, err
	}

	wait, cancel := context.WithTimeout(ctx, consequences)
	defer cancel()
	if f.deaths, err = events.followAll(wait, victims); err != nil {
		return f, err
	}
	for i, d := range f.deaths {
		f.deaths[i].DoneBy = doneBy[d.Task]
		f.deaths[i].Task = t.name(d.Task)
	}
	all, _ := events.snapshot()
	f.restarts = restarts(all)
	return f, nil
}

// collect hands the files out and adds up the results, in the order of files. done is called for each with its
// file and the worker that returned it.
func collect(ctx context.Context, c crew, files []string, k *killer, done func(path string, pid int)) (*tally, error) {
	jobs := func(yield func(job) bool) {
		for i, path := range files {
			if !yield(job{Path: path, Linger: k.hand(i)}) {
				return
			}
		}
	}
	whole := newTally()
	i := 0
	for result, err := range c.Count(ctx, jobs) {
		if err == nil {
			err = whole.unpack(result)
		}
		if err != nil {
			return nil, err
		}
		done(files[i], result.Pid)
		i++
		k.results.Store(int64(i))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return whole, nil
}

// pause waits for d, or for the end of ctx, whose error it returns.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
