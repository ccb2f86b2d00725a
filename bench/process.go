package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
)

// sideProcess runs one side of one row once, and prints what it measured.
var sideProcess = proc.Func("bench/side", func(ctx context.Context, a sideArgs) error {
	v, err := runSide(ctx, a)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(Outcome{v, usage()})
})

type sideArgs struct {
	Row       string
	Reference bool // the row's reference in Go, not ours
	Job       Job
}

// startSide runs one side of a row in a process of its own, and returns what that measured.
func startSide(ctx context.Context, a sideArgs) (Outcome, error) {
	var stdout, stderr strings.Builder
	child, err := sideProcess.Start(ctx, a, proc.Name(a.Row), proc.Stdout(&stdout), proc.Stderr(&stderr))
	if err != nil {
		return Outcome{}, err
	}
	err = child.Wait(ctx)
	if err := child.Close(); err != nil {
		return Outcome{}, err
	}
	if err != nil {
		if text := strings.TrimSpace(stderr.String()); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return Outcome{}, err
	}
	var o Outcome
	if err := json.Unmarshal([]byte(stdout.String()), &o); err != nil {
		return Outcome{}, fmt.Errorf("what it printed: %w", err)
	}
	return o, nil
}

// runSide runs one side of a row in this process.
func runSide(ctx context.Context, a sideArgs) (Values, error) {
	row, ok := find(a.Row)
	if !ok {
		return nil, fmt.Errorf("no row %q", a.Row)
	}
	if a.Job.Confined { // the peer is born into the same confinement
		if err := confine(a.Job.A); err != nil {
			return nil, err
		}
	}
	side, meter := row.Ours, row.Meter
	if a.Reference {
		side, meter = row.Reference.Go, row.Reference.GoMeter
	}
	if meter != nil {
		return meter(ctx, a.Job)
	}
	v, err := side(ctx, a.Job)
	return Values{"": v}, err
}

// A pair is what side A has of the two sides: the segment that they share, and its peer, side B.
type pair struct {
	job  Job
	seg  *shm.Segment
	peer *proc.Process
	over atomic.Bool // the peer's end is no surprise any more
}

// newPair makes the segment, with room for size bytes of objects.
func newPair(j Job, size int64) (*pair, error) {
	seg, err := shm.Anonymous(size)
	if err != nil {
		return nil, err
	}
	return &pair{job: j, seg: seg}, nil
}

// start starts the peer in a process of its own, in which it finds the objects by their names. If the peer fails, this
// process ends with it: the measured loop waits for an answer that will not come.
func (p *pair) start(ctx context.Context, peer *proc.Function[Job]) error {
	return begin(ctx, p, peer, p.job)
}

// begin is start for a peer with other arguments than the job.
func begin[A any](ctx context.Context, p *pair, peer *proc.Function[A], args A) error {
	var err error
	if p.peer, err = peer.Start(ctx, args, proc.Share(p.seg)); err != nil {
		return err
	}
	go func() {
		if err := p.peer.Wait(ctx); err != nil && !p.over.Load() {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	return nil
}

// finish ends the pair: after a good measurement the peer must end well by itself, after a bad one it is killed.
func (p *pair) finish(ctx context.Context, err error) error {
	if err == nil {
		err = p.peer.Wait(ctx)
	}
	p.over.Store(true)
	return errors.Join(err, p.peer.Close(), p.seg.Close())
}

// attached is the peer's view of the pair's segment.
func attached(ctx context.Context) (*shm.Segment, error) {
	segs := proc.Segments(ctx)
	if len(segs) != 1 {
		return nil, fmt.Errorf("the peer was given %d segments, not one", len(segs))
	}
	return segs[0], nil
}

// expect is the check of a payload, on either side: small enough to be inlined into the measured loops.
func expect(got, want uint64, who string) {
	if got != want {
		void(got, want, who)
	}
}

// void ends the process, and with it the run, whose figure would be worth nothing.
//
//go:noinline
func void(got, want uint64, who string) {
	fmt.Fprintf(os.Stderr, "wrong payload at the %s: got %d, want %d\n", who, got, want)
	os.Exit(1)
}
