//go:build linux || darwin

package pool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	mmap "github.com/edsrzf/mmap-go"
	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/corruption"
	"github.com/kindred-ipc/kindred/proc"
)

// Whatever is written into the segment that a pool shares with a worker, by that worker or by anybody, a
// call has the right answer or an error, the pool goes on, with another worker if need be, and neither
// side crashes.

// siege is what the process of a pool under attack is started with.
type siege struct {
	Seed   uint64
	First  int
	Count  int
	Step   int
	Storm  int    // changes while calls run; 0: one change a call
	Notes  string // file that says which change is under way
	Repeat string
}

// gated says in the worker that the call was begun, by its number, and returns when the parent lets it.
var gated = Task("gated", func(ctx context.Context, n int) (int, error) {
	if _, err := proc.File(ctx, 0).Write(binary.LittleEndian.AppendUint64(nil, uint64(n))); err != nil {
		return 0, err
	}
	_, err := proc.File(ctx, 1).Read(make([]byte, 1))
	return n * n, err
})

// besieged is a process with a pool of one worker.
var besieged = proc.Func("pool/besieged", func(ctx context.Context, s siege) error {
	begun, says, err := os.Pipe()
	if err != nil {
		return err
	}
	waits, open, err := os.Pipe()
	if err != nil {
		return err
	}
	notes, err := os.Create(s.Notes)
	if err != nil {
		return err
	}
	b := &defence{siege: s, begun: begun, open: open, notes: notes}
	b.pool, err = New(ctx, Workers(1), Grace(50*time.Millisecond), MaxMessage(1<<16),
		Process(proc.Files(says, waits), proc.Stderr(os.Stderr)), OnEvent(b.mourn))
	if err != nil {
		return err
	}
	defer func() {
		b.pool.Terminate()
		_ = b.pool.Join(context.Background())
	}()
	b.answers = make(map[string]int)
	if s.Storm > 0 {
		err = b.weather(ctx)
	} else {
		for k := range s.Count {
			if err = b.trial(ctx, s.First+k*s.Step); err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	if b.answers["right"] == 0 || b.Storm > 0 && len(b.answers) == 1 {
		return fmt.Errorf("answers are all alike: %v", b.answers)
	}
	return os.WriteFile(s.Notes, fmt.Appendf(nil, "answers %v", b.answers), 0o600)
})

// defence is that process.
type defence struct {
	siege
	pool        *Pool
	begun, open *os.File
	notes       *os.File
	answers     map[string]int

	// crash is of a worker. OnEvent stores it before the link is gone, others look after that.
	crash atomic.Pointer[error]
}

// crashed is how a worker crashed, if one did.
func (b *defence) crashed() error {
	if err := b.crash.Load(); err != nil {
		return *err
	}
	return nil
}

// mourn tells workers that end by an error of their own from those that broke the protocol, or were
// killed for it.
func (b *defence) mourn(e Event) {
	orderly := e.Code == 0 || e.Code == 1 || e.Signal == syscall.SIGKILL
	if e.Kind == WorkerLost && !orderly {
		err := fmt.Errorf("a worker crashed: %+v", e)
		b.crash.Store(&err)
	}
}

// target is the segment of the worker that there is now, and the fields in it that have a place of their
// own: records move with each call.
type target struct {
	link  *link
	live  mmap.MMap
	plan  *corruption.Plan
	rings []place
	boxes []uint64 // where mailboxes are
}

// place is where a ring is.
type place struct{ position, data, size uint64 }

func (b *defence) aim(ctx context.Context) (*target, error) {
	l, err := b.pool.acquire(ctx)
	if err != nil {
		return nil, err
	}
	b.pool.release(l, false, false)
	f, err := l.seg.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	live, err := mmap.Map(f, mmap.RDWR, 0)
	if err != nil {
		return nil, err
	}
	all, err := corruption.FieldsOf(live, corruption.Bodies{workerLayout(): "pool.workerState"})
	if err != nil {
		return nil, errors.Join(err, live.Unmap())
	}
	var fields []corruption.Field
	t := &target{link: l, live: live}
	var at place
	for _, f := range all {
		switch word := binary.LittleEndian.Uint64(live[f.Offset:]); f.Name {
		case "ring.control.capacity":
			at.size = word
		case "ring.control.data":
			at.data = word
		case "ring.control.position":
			at.position = f.Offset
			t.rings = append(t.rings, at)
		}
		switch {
		case f.Name == "pool.mailbox.id":
			t.boxes = append(t.boxes, f.Offset)
		case strings.HasPrefix(f.Name, "pool.mailbox."), f.Name == "first word of a record", f.Name == "unused bytes":
		default:
			fields = append(fields, f)
		}
	}
	t.plan = corruption.NewPlan(fields, 2, b.Seed)
	return t, nil
}

// call squares a number, which must be right, if it has an answer at all.
func (b *defence) call(ctx context.Context, patience time.Duration, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := square.Call(ctx, b.pool, n)
	if err == nil && got != n*n {
		return fmt.Errorf("%w: %d squared is %d", errWrong, n, got)
	}
	return err
}

var errWrong = errors.New("wrong answer")

// hesitate calls gated, and overwrites while the worker runs it. Only then does the patience begin to end.
func (b *defence) hesitate(ctx context.Context, patience time.Duration, n int, overwrite func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		got int
		err error
	}
	answer := make(chan result, 1)
	go func() {
		got, err := gated.Call(ctx, b.pool, n)
		answer <- result{got, err}
	}()
	for begun := make([]byte, 8); binary.LittleEndian.Uint64(begun) != uint64(n); {
		if _, err := io.ReadFull(b.begun, begun); err != nil {
			return err
		}
	}
	overwrite()
	defer time.AfterFunc(patience, cancel).Stop()
	if _, err := b.open.Write([]byte{1}); err != nil {
		return err
	}
	r := <-answer
	if r.err == nil && r.got != n*n {
		return fmt.Errorf("%w: %d squared is %d", errWrong, n, r.got)
	}
	return r.err
}

// count notes what came of a call, and reports whether its documentation names that.
func (b *defence) count(err error) bool {
	var died *WorkerDied
	var told *TaskError
	var panicked *PanicError
	answer := ""
	switch {
	case err == nil:
		answer = "right"
	case errors.Is(err, errWrong):
		answer = "wrong"
	case errors.As(err, &died):
		answer = "worker died"
	case waited(err):
		answer = "waited"
	case errors.As(err, &told), errors.As(err, &panicked), errors.Is(err, ErrUndecodable),
		errors.Is(err, ErrUnencodable), errors.Is(err, ErrTooLarge), errors.Is(err, ErrNotRegistered):
		answer = "another message"
	default:
		return false
	}
	b.answers[answer]++
	return true
}

// waited reports whether a call ended with its context.
func waited(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

const (
	shortly = 60 * time.Millisecond // what a call may have to wait for
	atLast  = 30 * time.Second      // more than anything takes
)

// trial makes one change, before a call or during one, and sees to it that the pool goes on.
func (b *defence) trial(ctx context.Context, i int) error {
	watchdog := time.AfterFunc(2*atLast, func() { panic(fmt.Sprintf("trial %d hangs", i)) })
	defer watchdog.Stop()
	if err := b.call(ctx, atLast, i); err != nil {
		return fmt.Errorf("before trial %d: %w", i, err)
	}
	t, err := b.aim(ctx)
	if err != nil {
		return err
	}
	defer t.live.Unmap()
	c, real := t.plan.Change(i%t.plan.Trials(), t.live)
	if !real {
		return nil
	}
	what := fmt.Sprintf("%v\n\trepeat: %s", c, fmt.Sprintf(b.Repeat, b.Seed, i))
	if _, err := b.notes.WriteAt([]byte(what+"\n\n"), 0); err != nil {
		return err
	}
	patience := atLast
	for _, f := range c.Fields {
		if f.Rule >= corruption.Holder {
			patience = shortly
		}
	}
	if c.Moment == 0 {
		c.Apply(t.live)
		err = b.call(ctx, patience, 3)
	} else {
		err = b.hesitate(ctx, patience, i+2, func() { c.Apply(t.live) })
	}
	// Messages were not hit.
	if !b.count(err) || errors.Is(err, errWrong) || b.answers["another message"] > 0 ||
		waited(err) && patience == atLast {
		return fmt.Errorf("%s\n\t%w", what, err)
	}
	// Another worker, another segment.
	_ = t.link.process.Kill()
	<-t.link.gone
	if err := errors.Join(b.crashed(), b.call(ctx, atLast, 4)); err != nil {
		return fmt.Errorf("%s\n\tand the pool does not go on: %w", what, err)
	}
	return nil
}

// weather calls while bytes are overwritten all the time, until that was the end of the worker, or of
// patience with it.
func (b *defence) weather(ctx context.Context) error {
	for n := range b.Storm {
		watchdog := time.AfterFunc(2*atLast, func() { panic(fmt.Sprintf("round %d hangs", n)) })
		t, err := b.aim(ctx)
		if err != nil {
			return err
		}
		rnd := rand.New(rand.NewPCG(b.Seed, uint64(n)))
		over, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for range 1000 {
				t.strike(rnd)
				for range rnd.IntN(64) {
					runtime.Gosched()
				}
			}
			<-over
		}()
		for alive := true; alive; {
			// Bytes of a message may be hit: then the answer is to another question.
			if err := b.call(ctx, shortly, n); !b.count(err) {
				return fmt.Errorf("round %d: %w", n, err)
			}
			select {
			case <-t.link.process.Done():
				alive = false
			case over <- struct{}{}:
				alive = false
			default:
			}
		}
		_ = t.link.process.Kill()
		<-t.link.gone
		close(over)
		<-done
		if err := errors.Join(t.live.Unmap(), b.crashed(), b.call(ctx, atLast, 4)); err != nil {
			return fmt.Errorf("after round %d: %w", n, err)
		}
		watchdog.Stop()
	}
	return nil
}

// strike overwrites something: a field, or a byte about where a ring's next message goes.
func (t *target) strike(rnd *rand.Rand) {
	switch rnd.IntN(4) {
	case 0:
		t.live[t.boxes[rnd.IntN(len(t.boxes))]+rnd.Uint64N(64)] = byte(rnd.Uint32() >> rnd.IntN(32))
		return
	case 1, 2:
		if c, real := t.plan.Change(rnd.IntN(t.plan.Trials()), t.live); real {
			c.Apply(t.live)
		}
		return
	}
	r := t.rings[rnd.IntN(len(t.rings))]
	position := binary.LittleEndian.Uint64(t.live[r.position:])
	t.live[r.data+(position+rnd.Uint64N(128))%r.size] = byte(rnd.Uint32() >> rnd.IntN(32))
}

// attack starts a process with a pool, and reports how it ends.
func attack(t *testing.T, s siege) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	s.Notes = filepath.Join(t.TempDir(), "notes")
	s.Repeat = corruption.Repeat(t)
	p, err := besieged.Start(ctx, s)
	require.NoError(t, err)
	defer p.Close()
	err = p.Wait(ctx)
	notes, _ := os.ReadFile(s.Notes)
	if err != nil {
		t.Errorf("%v\nthe last change: %s", err, notes)
	} else {
		t.Logf("seed %d: %s", s.Seed, notes)
	}
}

func TestPoolOfWhichAnyByteIsOverwritten(t *testing.T) {
	seed, one, all, err := corruption.Asked()
	require.NoError(t, err)
	s := siege{Seed: seed, First: int(seed % 37), Step: 37, Count: 150}
	switch {
	case one >= 0:
		s.First, s.Count = one, 1
	case all:
		s.Step, s.Count = 11, 800
	}
	attack(t, s)
}

func TestPoolUnderAHostilePeer(t *testing.T) {
	seed, _, all, err := corruption.Asked()
	require.NoError(t, err)
	s := siege{Seed: seed, Storm: 20}
	if all {
		s.Storm = 200
	}
	attack(t, s)
}
