package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
)

// Subject is a structure, what processes do with it, and what it should do.
type Subject[A any, S comparable] struct {
	Run       *Function[A]
	Processes int // up to 32
	Clients   int // goroutines of each process
	Kills     int // processes that are killed, at most
	// New makes the structure in a new segment: what the clients are given, and what to expect.
	New func(seg *shm.Segment, r *rand.Rand) (A, Model[S], error)
	// Finish is what the parent does when all processes have ended, recorded as theirs; or nil.
	Finish func(ctx context.Context, c *Client, seg *shm.Segment, args A) error
}

// participant is one process of a trial, as the parent sees it.
type participant struct {
	number  int
	log     *journal
	child   *proc.Process
	end     Op         // its Death; valid when reaped is closed
	killing sync.Mutex // guards end.Call and end.Killed until then
	reaped  chan struct{}
}

const (
	segmentSize = 1 << 20
	patience    = time.Minute // for a whole trial, which takes some 50 ms
)

// trial runs the processes once, kills some, and returns what all of them did.
func (s *Subject[A, S]) trial(dir string, seed uint64) (h History, m Model[S], err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r := rand.New(rand.NewPCG(seed, ^uint64(0)))
	seg, err := shm.Anonymous(segmentSize)
	if err != nil {
		return nil, m, err
	}
	defer func() { err = errors.Join(err, seg.Close()) }()
	args, m, err := s.New(seg, r)
	if err != nil {
		return nil, m, err
	}
	all, err := s.start(ctx, dir, seg, args, seed)
	defer func() {
		for _, p := range all {
			err = errors.Join(err, p.close())
		}
	}()
	if err != nil {
		return nil, m, err
	}
	if err := s.meet(ctx, all); err != nil {
		return nil, m, err
	}
	if err := s.kill(ctx, all, r); err != nil {
		return nil, m, err
	}
	if err := s.goOn(ctx, all); err != nil {
		return nil, m, err
	}
	parts, err := s.ends(ctx, all)
	if err != nil {
		return nil, m, err
	}
	if s.Finish != nil {
		c := newClient(len(all)*s.Clients, len(all), seed, make([]record, room), new(control))
		if err := s.Finish(ctx, c, seg, args); err != nil {
			return nil, m, fmt.Errorf("the parent, behind all others: %w", err)
		}
		parts = append(parts, gather(c.Number, c.Process, c.records, 0))
	}
	return merge(parts...), m, nil
}

// start starts the processes, all at a time. Whatever it returns must be closed.
func (s *Subject[A, S]) start(ctx context.Context, dir string, seg *shm.Segment, args A, seed uint64) ([]*participant, error) {
	all := make([]*participant, s.Processes)
	errs := make([]error, s.Processes)
	var starts sync.WaitGroup
	for i := range all {
		p := &participant{number: i, reaped: make(chan struct{})}
		all[i] = p
		starts.Go(func() {
			if p.log, errs[i] = newJournal(dir, s.Clients); errs[i] != nil {
				return
			}
			j := job[A]{Args: args, Process: i, Clients: s.Clients, Seed: seed}
			p.child, errs[i] = s.Run.process.Start(ctx, j, proc.Share(seg), proc.Files(p.log.file))
			if errs[i] == nil {
				go p.mourn()
			}
		})
	}
	starts.Wait()
	return all, errors.Join(errs...)
}

// mourn notes when the process was reaped.
func (p *participant) mourn() {
	<-p.child.Done()
	p.killing.Lock()
	p.end.Return = now()
	p.killing.Unlock()
	close(p.reaped)
}

func (p *participant) close() error {
	var err error
	if p.child != nil {
		err = p.child.Close()
		<-p.reaped
	}
	if p.log != nil {
		err = errors.Join(err, p.log.close())
	}
	return err
}

// meet waits until all are at the start, and lets them go.
func (s *Subject[A, S]) meet(ctx context.Context, all []*participant) error {
	for _, p := range all {
		err := until(ctx, func() bool { return p.log.control.ready.Load() != 0 || !p.child.Alive() })
		if err != nil {
			return fmt.Errorf("process %d does not come to the start: %w", p.number, err)
		}
	}
	for _, p := range all {
		p.log.control.begin.Store(1)
	}
	return nil
}

// kill kills some of the processes, one after the other or as it happens.
func (s *Subject[A, S]) kill(ctx context.Context, all []*participant, r *rand.Rand) error {
	victims := r.Perm(len(all))[:1+r.IntN(s.Kills)]
	together := r.IntN(3) == 0
	errs := make([]error, len(victims))
	var hunts sync.WaitGroup
	for i, v := range victims {
		own := rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
		hunts.Go(func() { errs[i] = all[v].hunt(ctx, own) })
		if !together {
			hunts.Wait()
		}
	}
	hunts.Wait()
	return errors.Join(errs...)
}

// hunt kills the process after some operations: in the midst of one, as a rule, or between two.
func (p *participant) hunt(ctx context.Context, r *rand.Rand) error {
	begun := p.log.progress()
	if begun == 0 || r.IntN(2) == 0 {
		begun += 1 + r.IntN(40) // else wherever the hunt for the one before left it
	}
	err := until(ctx, func() bool {
		return p.log.progress() >= begun || !p.child.Alive()
	})
	if err != nil {
		return err
	}
	if runtime.GOOS == "linux" && r.IntN(4) > 0 {
		p.burn(ctx, r)
	} else {
		p.stalk(r)
	}
	p.killing.Lock()
	defer p.killing.Unlock()
	if p.end.Return == 0 {
		p.end.Killed = true
		if p.end.Call == 0 {
			p.end.Call = now()
		}
		_ = p.child.Kill() // that it has ended by itself is found out when it is reaped
	}
	return nil
}

// burn has the process killed by a timer of its own. It returns when it is dead, or the timer has had
// time enough.
func (p *participant) burn(ctx context.Context, r *rand.Rand) {
	p.killing.Lock()
	if p.end.Return == 0 {
		p.end.Call, p.end.Killed = now(), true
		p.log.control.hunted.Store(byFuse + uint32(r.IntN(fuse)))
	}
	p.killing.Unlock()
	limit, cancel := context.WithTimeout(ctx, maxBurn)
	defer cancel()
	select {
	case <-p.reaped:
	case <-limit.Done():
	}
}

const (
	fuse    = 15000                 // nanoseconds, at most
	maxBurn = 10 * time.Millisecond // a client looks whether it is hunted at the next beat, as a rule
)

// stalk returns when an operation of the process has just begun, or when none has for some time.
func (p *participant) stalk(r *rand.Rand) {
	p.log.control.hunted.Store(byParent)
	for range 2 + r.IntN(maxBeats) {
		before := p.log.progress()
		for end := now() + int64(watch); now() < end; {
			if p.log.progress() != before {
				return
			}
		}
		rest() // with the others: who has just slept gets a CPU when all wake up
	}
}

const (
	maxBeats = 8
	watch    = 200 * time.Microsecond // how long to look in each beat
)

// What comes after the last kill: so many operations, or as many as there are in so much time, when
// those that are left wait for each other.
const (
	aftermath     = 60
	aftermathTime = 50 * time.Millisecond
)

// goOn waits until the killed are reaped and the others have gone on for a while.
func (s *Subject[A, S]) goOn(ctx context.Context, all []*participant) error {
	var survivors []*participant
	for _, p := range all {
		if !p.end.Killed {
			survivors = append(survivors, p)
			continue
		}
		select {
		case <-p.reaped:
		case <-ctx.Done():
			return fmt.Errorf("process %d does not die: %w", p.number, ctx.Err())
		}
	}
	total := func() (begun int, alive bool) {
		for _, p := range survivors {
			begun += p.log.progress()
			alive = alive || p.child.Alive()
		}
		return begun, alive
	}
	from, _ := total()
	end := time.Now().Add(aftermathTime)
	err := until(ctx, func() bool {
		n, alive := total()
		return n >= from+aftermath || !alive || time.Now().After(end)
	})
	if err != nil {
		return fmt.Errorf("the survivors do not go on: %w", err)
	}
	return nil
}

// ends stops all that still go on, and returns what each of them did.
func (s *Subject[A, S]) ends(ctx context.Context, all []*participant) ([]History, error) {
	for _, p := range all {
		p.log.control.stop.Store(1)
	}
	var parts []History
	for _, p := range all {
		select {
		case <-p.reaped:
		case <-ctx.Done():
			return nil, fmt.Errorf("process %d does not come to its end: %w", p.number, ctx.Err())
		}
		if err := p.verdict(ctx); err != nil {
			return nil, err
		}
		p.end.Kind, p.end.Process = Death, p.number
		for i := range s.Clients {
			part := gather(p.number*s.Clients+i, p.number, p.log.of(i), p.end.Return)
			if len(part.cutOff()) > 0 && !p.end.Killed {
				return nil, fmt.Errorf("process %d has ended by itself within an operation", p.number)
			}
			if len(part) > 0 && !p.end.Killed {
				p.end.Call = max(p.end.Call, part[len(part)-1].Return)
			}
			parts = append(parts, part)
		}
		if p.end.Call == 0 { // it did nothing
			p.end.Call = p.end.Return
		}
		parts = append(parts, History{p.end})
	}
	return parts, nil
}

// verdict is nil if the process ended as it should.
func (p *participant) verdict(ctx context.Context) error {
	err := p.child.Wait(ctx)
	var exit *proc.ExitError
	if p.end.Killed && errors.As(err, &exit) && exit.Signal == syscall.SIGKILL {
		return nil
	}
	if err == nil {
		p.end.Killed, p.end.Call = false, 0 // the kill, if there was one, came too late
	}
	return err
}

// until waits for something that is seen in memory.
func until(ctx context.Context, seen func() bool) error {
	for !seen() {
		if err := ctx.Err(); err != nil {
			return err
		}
		sleep(50 * time.Microsecond)
	}
	return nil
}
