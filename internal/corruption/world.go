package corruption

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/queue"
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
//	Table          map     of words: 1 to 10, 2 to 20, 3 to 30
//	Words          map     of texts: "one" to "first", "two" to "second"
//	Notes          namespace  with a number, "n", and Chain, "chain"
//	News           broadcast  seven records; its writer and one who holds writers up are dead
//	Jobs           mpmc    2 and 3; the dead pushed them, and popped what came before
//	Tasks          queue   joinable, of words: 2 and 3; the dead took what came before, and was not done with it
//	Errands        queue   with leases, of texts: "two" and "three" are in it; the dead has "one", and "zero" came back
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

	Tasks   = "tasks"
	Errands = "errands"

	Count   = "count"
	Pair    = "pair"
	Numbers = "numbers"
	Pairs   = "pairs"
	Chain   = "chain"
	Table   = "table"
	Words   = "words"
	Notes   = "notes"

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
		keep(ctx, seg), announce(ctx, seg), employ(ctx, seg), queueUp(ctx, seg))
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
	table, err := state.NewMap[uint64, uint64](seg, shm.Named(Table))
	for k := uint64(1); k < 4 && err == nil; k++ {
		err = table.Set(k, 10*k)
	}
	if err != nil {
		return err
	}
	words, err := state.NewMap[string, string](seg, shm.Named(Words))
	if err == nil {
		err = errors.Join(words.Set("one", "first"), words.Set("two", "second"))
	}
	if err != nil {
		return err
	}
	notes, err := state.NewNamespace(seg, shm.Named(Notes))
	if err == nil {
		err = errors.Join(state.Put(notes, "n", 5), state.Put(notes, "chain", chain))
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

// queueUp makes Tasks and Errands.
func queueUp(ctx context.Context, seg *shm.Segment) error {
	tasks, err := queue.New[uint64](seg, Slots, queue.Joinable(), shm.Named(Tasks))
	for i := uint64(0); i < 4 && err == nil; i++ {
		if err = tasks.Put(ctx, i); i < 2 && err == nil {
			_, err = tasks.Get(ctx)
		}
	}
	if err != nil {
		return err
	}
	errands, err := queue.New[string](seg, Slots, queue.Leases(), shm.Named(Errands))
	for _, text := range []string{"zero", "one", "two", "three"} {
		if err == nil {
			err = errands.Put(ctx, text)
		}
	}
	if err != nil {
		return err
	}
	zero, err := errands.Lease(ctx)
	if err == nil {
		_, err = errands.Lease(ctx)
	}
	if err == nil {
		err = zero.Nack()
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
