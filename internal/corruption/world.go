package corruption

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
	"github.com/kindred-ipc/kindred/sync"
)

// The segment that every script meets has these objects. Whoever is dead made everything and was
// killed; whoever lives does nothing but hold.
//
//	User           raw     64 bytes of the user's
//	Free           mutex   unlocked
//	Held           mutex   locked by one who lives
//	Orphan         mutex   locked by one who is dead
//	Seats          semaphore of 3 permits
//	Loans          semaphore of 5, tracked: the dead has 2, and who lives 1
//	Bell           event   not set
//	Deed           once    begun by one who is dead
//	Nest           rmutex  locked by one who is dead
//	Library        rwmutex read by both
//	Annals         rwmutex read by the dead
//	Porch          cond    the dead waited at it, and who lives has been there
//	Shift          group   the dead answers for 2 units of work, and who lives for 1
//	Gate           barrier of 3: the dead has come to it, and who lives is a party
//	Exit           barrier of 2, which the dead leave: one of them is a party
//	Ticks          values  two of them, 7 and 8; both ends belong to the dead
//	Inbox, Outbox  values  somebody who lives writes, and reads: 1 and 2 are in each
//	Log            bytes   three records, of which one crosses the end of the ring; ends of the dead
//	Post, Mail     bytes   somebody who lives writes, and reads: "one" and "two" are in each
//	Count          value   of 8 bytes: 5
//	Pair           value   of 16 bytes: 6, 7; the dead one has the lock
//	Numbers        array   of three words: 1, 2, 3
//	Pairs          array   of two elements of 16 bytes, of which one was stored: 6, 7
//	Chain          list    of two elements of 16 bytes: 1, 2 and 6, 7; there is room for one more
//	News           broadcast  seven records; its writer and one who holds writers up are dead
//	Jobs           mpmc    2 and 3; the dead pushed them, and popped what came before
const (
	User   = "user"
	Free   = "free"
	Held   = "held"
	Orphan = "orphan"
	Seats  = "seats"

	Loans   = "loans"
	Bell    = "bell"
	Deed    = "deed"
	Nest    = "nest"
	Library = "library"
	Annals  = "annals"
	Porch   = "porch"
	Shift   = "shift"
	Gate    = "gate"
	Exit    = "exit"

	Ticks  = "ticks"
	Inbox  = "inbox"
	Outbox = "outbox"
	Log    = "log"
	Post   = "post"
	Mail   = "mail"
	News   = "news"
	Jobs   = "jobs"

	Count   = "count"
	Pair    = "pair"
	Numbers = "numbers"
	Pairs   = "pairs"
	Chain   = "chain"

	// Slots is the capacity of the rings of values.
	Slots = 4

	name         = "world"
	participants = 4 // the dead one, the one who lives, the operator, and one free
	segmentSize  = 512 << 10
	longest      = 64<<10 - 16 // record of a ring of bytes
)

// Texts are the records of Log.
var Texts = []string{"first", "the second of the records, which crosses the end of the ring", "third"}

// builder makes the world, and is killed in it.
var builder = proc.Func("corruption/builder", func(ctx context.Context, dir string) error {
	seg, err := shm.Create(name, segmentSize, shm.Dir(dir), shm.Participants(participants), shm.As("builder"))
	if err == nil {
		err = build(ctx, seg)
	}
	if err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err == nil {
		select {}
	}
	return err
})

func build(ctx context.Context, seg *shm.Segment) error {
	o, err := seg.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: 64, Name: User})
	if err != nil {
		return err
	}
	for i := range o.Bytes() {
		o.Bytes()[i] = byte(i)
	}
	for _, name := range []string{Free, Held, Orphan} {
		m, err := sync.NewMutex(seg, shm.Named(name))
		if err != nil {
			return err
		}
		if name == Orphan {
			if err := m.Lock(ctx); err != nil {
				return err
			}
		}
	}
	if _, err := sync.NewSemaphore(seg, 3, shm.Named(Seats)); err != nil {
		return err
	}
	for _, name := range []string{Ticks, Inbox, Outbox} {
		if _, err := ring.NewSPSC[uint64](seg, Slots, shm.Named(name)); err != nil {
			return err
		}
	}
	for _, name := range []string{Log, Post, Mail} {
		if _, err := ring.NewBytes(seg, 1, shm.Named(name)); err != nil {
			return err
		}
	}
	return errors.Join(buildLocks(ctx, seg), tick(ctx, seg), write(ctx, seg), fill(ctx, seg, Outbox, Mail),
		keep(ctx, seg), announce(ctx, seg), employ(ctx, seg))
}

// keep makes the objects of package state.
func keep(ctx context.Context, seg *shm.Segment) error {
	if _, err := state.NewValue[uint64](seg, 5, shm.Named(Count)); err != nil {
		return err
	}
	numbers, err := state.NewArray[uint16](seg, 3, shm.Named(Numbers))
	if err != nil {
		return err
	}
	pairs, err := state.NewArray[[2]uint64](seg, 2, shm.Named(Pairs))
	if err != nil {
		return err
	}
	chain, err := state.NewList[[2]uint64](seg, shm.Named(Chain))
	if err == nil {
		err = chain.Append([2]uint64{1, 2}, [2]uint64{6, 7})
	}
	if err != nil {
		return err
	}
	pair, err := state.NewValue(seg, [2]uint64{6, 7}, shm.Named(Pair))
	if err != nil {
		return err
	}
	if err := errors.Join(numbers.CopyFrom([]uint16{1, 2, 3}, 0), pairs.Store(1, [2]uint64{6, 7})); err != nil {
		return err
	}
	// From here on the lock is this process's, which will die with it.
	locked := make(chan error, 1)
	go func() {
		locked <- pair.Update(ctx, func(*[2]uint64) error { locked <- nil; select {} })
	}()
	return <-locked
}

// announce makes News: the writer has the turn, and could push nothing more.
func announce(ctx context.Context, seg *shm.Segment) error {
	b, err := ring.NewBroadcast[uint64](seg, Slots, shm.Named(News))
	if err != nil {
		return err
	}
	w, err := b.Writer()
	if err != nil {
		return err
	}
	s, err := b.Subscribe(ring.Blocking())
	for i := uint64(0); i < 7 && err == nil; i++ {
		if err = w.Push(ctx, i); i >= 2 && i < 4 && err == nil {
			_, err = s.Next(ctx)
		}
	}
	return err
}

// employ makes Jobs: the slots of its lane have been used before.
func employ(ctx context.Context, seg *shm.Segment) error {
	m, err := ring.NewMPMC[uint64](seg, Slots, shm.Named(Jobs))
	for i := uint64(0); i < 4 && err == nil; i++ {
		if err = m.Push(ctx, i); i < 2 && err == nil {
			_, err = m.Pop(ctx)
		}
	}
	return err
}

// buildLocks makes what has rows, and what else one who is dead can have left half done.
func buildLocks(ctx context.Context, seg *shm.Segment) error {
	loans, err := sync.NewSemaphore(seg, 5, shm.Named(Loans), sync.Tracked())
	if err == nil {
		err = loans.Acquire(ctx, 2)
	}
	if err != nil {
		return err
	}
	if _, err := sync.NewEvent(seg, shm.Named(Bell)); err != nil {
		return err
	}
	deed, err := sync.NewOnce(seg, shm.Named(Deed))
	if err != nil {
		return err
	}
	begun := make(chan struct{})
	go func() {
		_ = deed.Do(ctx, func() error {
			close(begun)
			select {}
		})
	}()
	<-begun
	nest, err := sync.NewRMutex(seg, shm.Named(Nest))
	if err == nil {
		_, err = nest.Lock(ctx)
	}
	if err != nil {
		return err
	}
	for _, name := range []string{Library, Annals} {
		m, err := sync.NewRWMutex(seg, shm.Named(name))
		if err == nil {
			err = m.RLock(ctx)
		}
		if err != nil {
			return err
		}
	}
	shift, err := sync.NewWaitGroup(seg, shm.Named(Shift))
	if err == nil {
		err = shift.Add(2)
	}
	if err != nil {
		return err
	}
	return errors.Join(await(ctx, seg), gather(ctx, seg))
}

// await makes Porch, and waits at it for ever.
func await(ctx context.Context, seg *shm.Segment) error {
	porch, err := sync.NewCond(seg, shm.Named(Porch))
	if err != nil {
		return err
	}
	mu, err := sync.OpenMutex(seg, Free)
	if err == nil {
		err = mu.Lock(ctx)
	}
	if err != nil {
		return err
	}
	go func() { _ = porch.Wait(ctx, mu) }()
	if err := mu.Lock(ctx); err != nil { // it waits
		return err
	}
	return mu.Unlock()
}

// gather makes the barriers, comes to Gate, and waits there for ever.
func gather(ctx context.Context, seg *shm.Segment) error {
	gate, err := sync.NewBarrier(seg, 3, shm.Named(Gate))
	if err != nil {
		return err
	}
	go func() { _, _ = gate.Wait(ctx) }()
	for gate.Waiting() == 0 {
		runtime.Gosched()
	}
	exit, err := sync.NewBarrier(seg, 2, shm.Named(Exit), sync.Leaving())
	if err != nil {
		return err
	}
	return exit.Join()
}

// fill writes to a ring of each kind.
func fill(ctx context.Context, seg *shm.Segment, values, records string) error {
	r, err := ring.OpenSPSC[uint64](seg, values)
	if err != nil {
		return err
	}
	w, err := r.Writer()
	if err != nil {
		return err
	}
	if _, err := w.PushN(ctx, []uint64{1, 2}); err != nil {
		return err
	}
	b, err := ring.OpenBytes(seg, records)
	if err != nil {
		return err
	}
	bw, err := b.Writer()
	if err != nil {
		return err
	}
	return errors.Join(put(ctx, bw, "one"), put(ctx, bw, "two"))
}

// tick takes both ends of Ticks: the slots have been used before.
func tick(ctx context.Context, seg *shm.Segment) error {
	r, err := ring.OpenSPSC[uint64](seg, Ticks)
	if err != nil {
		return err
	}
	w, err := r.Writer()
	if err != nil {
		return err
	}
	in, err := r.Reader()
	if err != nil {
		return err
	}
	for i := range uint64(9) {
		if err := w.Push(ctx, i); err != nil {
			return err
		}
		if i < 7 {
			if _, err := in.Pop(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// write takes both ends of Log, and moves its records to the end of the ring.
func write(ctx context.Context, seg *shm.Segment) error {
	b, err := ring.OpenBytes(seg, Log)
	if err != nil {
		return err
	}
	w, err := b.Writer()
	if err != nil {
		return err
	}
	in, err := b.Reader()
	if err != nil {
		return err
	}
	if err := put(ctx, w, string(make([]byte, longest-40))); err != nil {
		return err
	}
	if _, err := in.Peek(ctx); err != nil {
		return err
	}
	in.Release()
	for _, text := range Texts {
		if err := put(ctx, w, text); err != nil {
			return err
		}
	}
	return nil
}

func put(ctx context.Context, w *ring.BytesWriter, text string) error {
	b, err := w.Reserve(ctx, len(text))
	if err == nil {
		w.Commit(copy(b, text))
	}
	return err
}

// keeper lives in the world, says so, and does nothing.
var keeper = proc.Func("corruption/keeper", func(ctx context.Context, dir string) error {
	seg, err := shm.Open(name, shm.Dir(dir), shm.As("keeper"))
	if err == nil {
		err = hold(ctx, seg)
	}
	if err != nil {
		return err
	}
	if _, err := proc.File(ctx, 0).Write([]byte("held")); err != nil {
		return err
	}
	// Until the parent closes its end, or ends.
	if _, err = proc.File(ctx, 1).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return err
	}
	runtime.KeepAlive(seg) // and with it the mapping, and so the slot
	return nil
})

func hold(ctx context.Context, seg *shm.Segment) error {
	m, err := sync.OpenMutex(seg, Held)
	if err == nil {
		err = m.Lock(ctx)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(holdLocks(ctx, seg), fill(ctx, seg, Inbox, Post)); err != nil {
		return err
	}
	r, err := ring.OpenSPSC[uint64](seg, Outbox)
	if err == nil {
		_, err = r.Reader()
	}
	if err != nil {
		return err
	}
	b, err := ring.OpenBytes(seg, Mail)
	if err == nil {
		_, err = b.Reader()
	}
	return err
}

// takeOften takes a permit of s, and gives it back, so often that this goroutine keeps them, where there are keepers.
func takeOften(ctx context.Context, s *sync.Semaphore) error {
	for bias.Enabled && !futex.Registered() {
		time.Sleep(time.Millisecond)
	}
	for range 2 * bias.FirstEarns {
		if err := errors.Join(s.Acquire(ctx, 1), s.Release(1)); err != nil {
			return err
		}
	}
	return nil
}

// readOften locks m for reading so often that this goroutine has a mark, where there are some, and does so once more.
func readOften(ctx context.Context, m *sync.RWMutex) error {
	for bias.Enabled && !futex.Registered() {
		time.Sleep(time.Millisecond)
	}
	for range 2 * bias.FirstEarns {
		if err := errors.Join(m.RLock(ctx), m.RUnlock()); err != nil {
			return err
		}
	}
	return m.RLock(ctx)
}

// holdLocks takes rows in everything that has some.
func holdLocks(ctx context.Context, seg *shm.Segment) error {
	loans, err := sync.OpenSemaphore(seg, Loans)
	if err == nil {
		err = loans.Acquire(ctx, 1)
	}
	if err != nil {
		return err
	}
	seats, err := sync.OpenSemaphore(seg, Seats)
	if err == nil {
		err = takeOften(ctx, seats)
	}
	if err != nil {
		return err
	}
	library, err := sync.OpenRWMutex(seg, Library)
	if err == nil {
		err = readOften(ctx, library)
	}
	if err != nil {
		return err
	}
	shift, err := sync.OpenWaitGroup(seg, Shift)
	if err == nil {
		err = shift.Add(1)
	}
	if err != nil {
		return err
	}
	porch, err := sync.OpenCond(seg, Porch)
	if err != nil {
		return err
	}
	over, cancel := context.WithCancel(ctx)
	if cancel(); !errors.Is(porch.Wait(over, nil), context.Canceled) { // it has a row, and does not wait
		return errors.New("waits with a context that is over")
	}
	gate, err := sync.OpenBarrier(seg, Gate)
	if err == nil {
		err = gate.Join()
	}
	return err
}

// world is a segment in a directory of its own, and who lives in it.
type world struct {
	dir    string
	keeper *proc.Process
	leave  *os.File // the keeper ends when it is closed
}

// path is where the segment's file lies.
func path(dir string) string { return filepath.Join(dir, "kindred."+name) }

// newWorld makes one in dir.
func newWorld(ctx context.Context, dir string) (*world, error) {
	p, err := builder.Start(ctx, dir)
	if err != nil {
		return nil, err
	}
	var exit *proc.ExitError
	if err := p.Wait(ctx); !errors.As(err, &exit) || exit.Signal == nil {
		return nil, fmt.Errorf("builder: %w", errors.Join(err, p.Close()))
	}
	ready, held, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	stay, leave, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, held.Close())
	}
	w := &world{dir: dir, leave: leave}
	w.keeper, err = keeper.Start(ctx, dir, proc.Files(held, stay))
	err = errors.Join(err, held.Close(), stay.Close())
	if err == nil {
		_, err = ready.Read(make([]byte, 1)) // or its end, if the keeper failed
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// close ends the world. The keeper's segment may be in any state by now: how it ends says nothing.
func (w *world) close() error {
	err := w.leave.Close()
	if w.keeper != nil {
		err = errors.Join(err, w.keeper.Close())
	}
	return err
}
