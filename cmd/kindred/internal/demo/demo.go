package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

var errDisagree = errors.New("processes and goroutines counted differently")

// demo is what the demo works with: worker processes, and the means to kill them.
type demo struct {
	hire    hire
	signals signals
}

// run is the demo after its command line: read the tree, count it both ways, report.
func (d demo) run(ctx context.Context, o options, stdout, stderr io.Writer) error {
	dir := o.dir
	if dir == "" {
		var err error
		if dir, err = goSources(ctx); err != nil {
			return err
		}
	}
	shown := newProgress(stderr)
	shown.note("reading the Go files under %s", dir)
	t, err := readTree(ctx, dir)
	if err != nil {
		return err
	}
	if t.links > 0 {
		shown.note("left out %d symbolic links that lead out of the tree or to directories", t.links)
	}
	if o.kill > len(t.files) {
		return usagef("-kill %d: there are only %d files, and a worker is killed at most once for each", o.kill, len(t.files))
	}

	f, err := fanOut(ctx, t, o, shown, d.hire, d.signals)
	if err != nil {
		return err
	}
	local, err := timed(shown, "goroutines", t, func(counted func()) (*tally, error) {
		return countLocally(ctx, t.files, o.workers, counted)
	})
	if err != nil {
		return err
	}

	r := newReport(t.root, o.workers, f.outcome, local, f.deaths, f.restarts)
	write := r.writeText
	if o.json {
		write = r.writeJSON
	}
	if err := write(stdout); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if !r.Agree {
		return errDisagree
	}
	if missed := o.kill - len(r.Kills); missed > 0 {
		return fmt.Errorf("%d of %d workers could not be killed: all work was done before one was caught at it", missed, o.kill)
	}
	return nil
}

// timed runs one way of counting t under the progress bar.
func timed(shown *progress, label string, t *tree, count func(counted func()) (*tally, error)) (outcome, error) {
	shown.begin(label, len(t.files))
	defer shown.end()
	start := time.Now()
	result, err := count(shown.counted)
	return outcome{tally: result, took: time.Since(start)}, err
}
