package sync

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// RWMutex is a lock that either one writer has or any number of readers. It takes 80 bytes, and a line of
// 128 in the heap for each process that reads, so that readers of different processes share nothing that
// is written to.
//
// It is the lock of a Mutex and a count of readers for each process (Brandenburg and Anderson's and
// others' distributed readers, with the lock word for the writer's flag):
//
//	a reader                              a writer
//	adds itself to its process's count    takes the lock
//	is the lock free? then it has it      waits until all counts are 0: it has it
//	else it takes itself off, and waits   ...
//	...                                   gives the lock up, wakes the readers that wait
//	takes itself off, wakes the writer
//
// The addition is a full fence between the two looks, and so is the swap that takes the lock: one of the two
// sees the other. New readers keep out while a writer waits, so writers do not starve; a reader that has
// waited for a millisecond takes the lock itself, which is fair, adds itself to the count, and gives the lock
// up: so readers do not, either.
//
// A goroutine that reads all the time while nobody writes gets a mark of its own beside the count, and counts itself there without
// a locked instruction; the writer that comes then pays for a fence on all CPUs (some 15 µs; Dice and Kogan's BRAVO has
// the idea), and the more often that happens, the more has to be read for the next mark.
//
// A reader that dies is taken off the count. When a writer dies, the next one who comes gets the lock with
// ErrOwnerDied, writer or reader. A writer then repairs what the lock guards, and calls MarkConsistent; if
// it unlocks without, everybody gets ErrNotRecoverable from then on. A reader cannot repair it; until
// a writer has, every reader gets the lock with ErrOwnerDied.
type RWMutex struct {
	_ noCopy
	place
	state   *RWMutexState
	lock    segment.Lock
	readers *segment.Point // where readers wait until there is no writer
	writer  *segment.Point // where the writer waits until there are no readers
	ledger  *ledger
	race    race.Word
}

var rwmutexShape = shapeOf[RWMutexState](segment.KindRWMutex, 0)

// NewRWMutex makes an RWMutex in seg, unlocked. It fails with shm.ErrExist if the name is taken, and with
// shm.ErrNoSpace.
func NewRWMutex(seg *shm.Segment, opts ...shm.ObjectOption) (*RWMutex, error) {
	return rwmutexOf(rwmutexShape.make(seg, nil, opts))
}

// OpenRWMutex finds the RWMutex of that name. It fails with shm.ErrNotExist, and with shm.ErrKind if
// something else has the name.
func OpenRWMutex(seg *shm.Segment, name string) (*RWMutex, error) {
	return rwmutexOf(rwmutexShape.open(seg, name))
}

// OpenOrNewRWMutex opens the RWMutex of that name, or makes it, whoever else does the same. For its errors see
// OpenRWMutex and NewRWMutex.
func OpenOrNewRWMutex(seg *shm.Segment, name string, opts ...shm.ObjectOption) (*RWMutex, error) {
	return segment.OrNew(func() (*RWMutex, error) { return OpenRWMutex(seg, name) },
		func() (*RWMutex, error) { return NewRWMutex(seg, append(slices.Clip(opts), shm.Named(name))...) })
}

// RWMutexFrom returns the RWMutex that ref names. It fails with shm.ErrStale if it is not in seg.
func RWMutexFrom(seg *shm.Segment, ref shm.Ref) (*RWMutex, error) {
	return rwmutexOf(rwmutexShape.from(seg, ref))
}

// RWMutexAt returns the handle of an RWMutexState that lies in seg, as part of a struct of the user's own. It
// fails with shm.ErrStale if it does not lie there.
func RWMutexAt(seg *shm.Segment, state *RWMutexState) (*RWMutex, error) {
	p, err := rwmutexShape.at(seg, state)
	return rwmutexOf(p, state, err)
}

func rwmutexOf(p place, state *RWMutexState, err error) (*RWMutex, error) {
	if err != nil {
		return nil, err
	}
	writer := p.seg.Point(p.off+rwWriter, segment.Shared)
	futex.Register()
	return &RWMutex{place: p, state: state, race: race.At(p.seg.ID(), p.off),
		lock:    p.seg.LockAt(p.off),
		readers: p.seg.Point(p.off+rwReaders, segment.Shared),
		writer:  writer,
		ledger:  ledgerAt(p, writer, ofReaders, &state.rows, state.settle),
	}, nil
}

// Ref names the RWMutex. It is zero if the handle came from RWMutexAt.
func (m *RWMutex) Ref() shm.Ref { return m.ref() }

// settle takes the readers of a dead process off.
func (s *RWMutexState) settle(l *ledger, r *row) {
	r.reading().clear()
	r.count.Store(0)
	l.point.Broadcast()
}

// RLock takes the lock for reading, and blocks until there is no writer or ctx is over. Whoever has it does not
// take it once more: a writer that waits keeps new readers out. With ErrOwnerDied the call has the lock
// too: its last writer died with it, and what it guards may be inconsistent until a writer repairs it. Other
// errors are ErrNotRecoverable, shm.ErrNoSpace (a process that reads for the first time needs a line),
// shm.ErrClosed, and the context's.
func (m *RWMutex) RLock(ctx context.Context) error {
	at := bias.Stack()
	if bias.Enabled {
		// Nothing is called until the mark is back where it was, or the lock had.
		if r := m.ledger.marked.by(at); r != nil && r.stack == at && r.line.bias.Load() == biased {
			n := r.mark.Load()
			futex.Publish(r.mark, n+oneReader) // pairs with the barrier in revoke
			if r.line.bias.Load() == biased && m.state.suspect.Load() == 0 {
				runtime.KeepAlive(m)
				return nil
			}
			futex.Publish(r.mark, n)
			m.unmarked(r)
		}
	}
	return m.rlock(ctx, at)
}

// rlock is RLock through the process's count, for a goroutine on that stack.
func (m *RWMutex) rlock(ctx context.Context, stack uintptr) error {
	if !m.enter() {
		return m.rlockSlow(ctx)
	}
	if bias.Enabled {
		m.earn(stack)
	}
	if m.state.suspect.Load() != 0 {
		return m.suspicion()
	}
	return nil
}

// TryRLock takes the lock for reading if it can without blocking, and reports whether it did. For its errors
// see RLock. A lock that is held costs a system call that looks whether its holder lives.
func (m *RWMutex) TryRLock() (bool, error) {
	if m.enter() {
		return true, m.suspicion()
	}
	got, err := m.tryReader()
	return got, m.wrap("lock for reading", err)
}

// enter has one more of this process read, if there is no writer, and the process has a row already.
func (m *RWMutex) enter() bool {
	r := m.ledger.mine.Load()
	return r != nil && m.admit(r)
}

// admit adds a reader to the row, if there is no writer, and no Close, after which the lock is not open.
func (m *RWMutex) admit(r *row) bool {
	if !m.lock.Open() || r.owner.Load() != m.ledger.self { // a look is shared among those who poll
		return false
	}
	r.count.Add(1) // a full fence: pairs with the swap that takes the lock
	if !m.lock.Open() {
		m.retreat(r)
		return false
	}
	if race.Enabled {
		m.race.Acquire(0)
	}
	runtime.KeepAlive(m) // the mapping goes with the last handle
	return true
}

// retreat takes a reader off the count, and wakes the writer, who may have seen it. It reports whether there was one:
// if not, there is less than none for a moment, which a writer takes for a reader.
func (m *RWMutex) retreat(r *row) bool {
	was := true
	if left := r.count.Add(^uint64(0)); int64(left) < 0 && r.overdrawn(left) {
		r.count.Add(1)
		was = false
	}
	m.left()
	return was
}

// left wakes the writer, who waits until the readers have left.
func (m *RWMutex) left() {
	if !m.writer.Event().Idle() {
		m.writer.Broadcast()
	}
}

// suspicion is ErrOwnerDied while nobody has repaired what a dead writer left.
func (m *RWMutex) suspicion() error {
	if m.state.suspect.Load() == 0 {
		return nil
	}
	return m.wrap("lock for reading", ErrOwnerDied)
}

func (m *RWMutex) rlockSlow(ctx context.Context) error {
	r, err := m.ledger.own()
	if err == nil && !m.admit(r) {
		err = m.await(ctx, r)
	}
	if err != nil {
		return m.wrap("lock for reading", err)
	}
	return m.suspicion()
}

// await waits until there is no writer. A reader that starves, and one that finds the writer dead, goes by the
// lock itself.
func (m *RWMutex) await(ctx context.Context, r *row) error {
	began := word.Now()
	admitted, starved := false, false
	err := m.readers.Wait(ctx, segment.Wait{
		Try: func() bool {
			admitted = m.admit(r)
			return admitted || starved || m.lock.Stuck() != nil
		},
		Peer:      m.lock.Peer,
		Recover:   func(segment.Owner) bool { return true },
		Impatient: true,
		Slept:     func() { starved = word.Since(began) >= segment.Starving },
	})
	if err != nil || admitted {
		return err
	}
	err = m.lock.LockSlow(ctx)
	if err != nil && !isOwnerDied(err) {
		return err
	}
	return m.become(r)
}

// become turns the lock, which this process has, into one for reading.
func (m *RWMutex) become(r *row) error {
	r.count.Add(1)
	return m.open()
}

// open gives the lock up to readers and writers. What was not repaired stays suspect: the word says so before
// the lock is free, and the next writer takes it over before it clears the word.
func (m *RWMutex) open() error {
	if _, suspect := m.lock.Holder(); suspect {
		m.state.suspect.Store(1)
		if err := m.lock.MarkConsistent(); err != nil {
			return err
		}
	}
	return m.unlock()
}

// unlock unlocks, and wakes the readers that wait.
func (m *RWMutex) unlock() error {
	err := m.lock.Unlock()
	if !m.readers.Event().Idle() {
		m.readers.Broadcast()
	}
	return err
}

func (m *RWMutex) tryReader() (bool, error) {
	r, err := m.ledger.own()
	if err != nil {
		return false, err
	}
	if m.admit(r) {
		return true, m.suspicion()
	}
	got, err := m.lock.TrySlow() // a dead writer's lock, or one that is left to others
	if !got {
		return false, err
	}
	if err := m.become(r); err != nil {
		return false, err
	}
	return true, m.suspicion()
}

// RUnlock gives a lock for reading up. It never blocks. It fails with ErrNotHeld if this process does not have
// the lock for reading, and with shm.ErrClosed.
func (m *RWMutex) RUnlock() error {
	if bias.Enabled {
		at := bias.Stack()
		if r := m.ledger.marked.by(at); r != nil && r.stack == at {
			if n := r.mark.Load(); uint32(n) != 0 {
				futex.Publish(r.mark, n-1) // whoever sleeps for it pays for the barrier
				if !m.writer.Event().Idle() {
					m.unmarked(r)
				}
				runtime.KeepAlive(m)
				return nil
			}
		}
	}
	return m.runlock()
}

// runlock is RUnlock through the process's count.
func (m *RWMutex) runlock() error {
	r := m.ledger.mine.Load()
	if r == nil || r.owner.Load() != m.ledger.self {
		return m.notRead()
	}
	m.ledger.say()
	if !m.retreat(r) {
		return m.notRead()
	}
	runtime.KeepAlive(m)
	return nil
}

func (m *RWMutex) notRead() error {
	err := m.seg.Writable()
	if err == nil {
		err = fmt.Errorf("not locked for reading: %w", ErrNotHeld)
	}
	return m.wrap("unlock for reading", err)
}

// Lock takes the lock for writing, and blocks until there is no other writer and no reader, or ctx is over.
// With ErrOwnerDied the call has the lock too: its last writer died with it, and what it guards may be
// inconsistent (MarkConsistent). Other errors are ErrNotRecoverable, shm.ErrClosed, and the context's.
func (m *RWMutex) Lock(ctx context.Context) error {
	if m.lock.TryLock() {
		return m.wrap("lock", m.drain(ctx))
	}
	err := m.lock.LockSlow(ctx)
	if err == nil || isOwnerDied(err) {
		err = m.drain(ctx)
	}
	return m.wrap("lock", err)
}

// drain waits until the readers have left, with the lock held.
func (m *RWMutex) drain(ctx context.Context) error {
	if !m.vacant() { // pairs with the addition in admit
		m.ledger.sweep()
		err := m.writer.Wait(ctx, segment.Wait{
			Try:        func() bool { m.ledger.bury(); return m.vacant() },
			Poll:       m.vacant, // not less: a bias may have come since the last look
			Slept:      m.ledger.sweep,
			Asymmetric: futex.Owing && !word.Modelled, // where there are no marks
		})
		if err != nil {
			return errors.Join(err, m.open())
		}
	}
	return m.had()
}

// had says what it is that this process has the lock of.
func (m *RWMutex) had() error {
	m.ledger.hear()
	if m.state.suspect.Load() != 0 {
		m.lock.Doubt() // first: whoever dies here leaves the lock suspect all the same
		m.state.suspect.Store(0)
	}
	if _, suspect := m.lock.Holder(); suspect {
		return ErrOwnerDied
	}
	return m.seg.Writable()
}

// TryLock takes the lock for writing if it can without waiting for others, and reports whether it did, with the errors of
// Lock. A lock that is held costs a system call that looks whether its holder lives, and one for each
// process that reads.
func (m *RWMutex) TryLock() (bool, error) {
	got, err := m.tryWriter()
	return got, m.wrap("lock", err)
}

func (m *RWMutex) tryWriter() (bool, error) {
	if !m.lock.TryLock() {
		if got, err := m.lock.TrySlow(); !got {
			return false, err
		}
	}
	if !m.vacant() {
		m.ledger.sweep()
		if !m.vacant() {
			return false, m.open()
		}
	}
	err := m.had()
	return err == nil || isOwnerDied(err), err
}

// Unlock gives a lock for writing up. It never blocks. It fails with ErrNotHeld if no process has it for writing,
// or if another one does, which the error names; and with shm.ErrClosed.
func (m *RWMutex) Unlock() error { return m.wrap("unlock", m.unlock()) }

// Downgrade turns the lock from one for writing into one for reading: no writer comes in between. What was not
// repaired stays suspect. It never blocks. It fails as Unlock does, and with shm.ErrNoSpace; then the lock is as
// it was.
func (m *RWMutex) Downgrade() error {
	r, err := m.ledger.own()
	if err == nil {
		err = m.held()
	}
	if err == nil {
		err = m.become(r)
	}
	return m.wrap("downgrade", err)
}

// held is nil if this process has the lock for writing.
func (m *RWMutex) held() error {
	o, _ := m.lock.Holder()
	switch {
	case o == m.seg.Self():
		return m.seg.Writable()
	case o == 0:
		return fmt.Errorf("not locked for writing: %w", ErrNotHeld)
	}
	return fmt.Errorf("held by %s: %w", m.seg.Describe(o), ErrNotHeld)
}

// MarkConsistent says that what the lock guards was repaired, after Lock returned ErrOwnerDied. It fails with
// ErrNotHeld if this process does not hold the lock for writing, or got it without ErrOwnerDied.
func (m *RWMutex) MarkConsistent() error { return m.wrap("repair", m.lock.MarkConsistent()) }

// Owner is the process that has the lock for writing, or waits for the readers to leave, and whether there is
// one. It is out of date as soon as it returns.
func (m *RWMutex) Owner() (Holder, bool) { return holderOf(m.seg, &m.lock) }

// Readers is how often the lock is held for reading. It is out of date as soon as it returns, and counts who has
// come and has yet to find that there is a writer.
func (m *RWMutex) Readers() int { return m.ledger.number() }

// Locker is m, locked for writing, for code that wants a sync.Locker; see Mutex.Locker.
func (m *RWMutex) Locker(repair func() error) sync.Locker { return &locker{m, repair} }

// RLocker is m, locked for reading, for code that wants a sync.Locker. Where RLock or RUnlock would return an
// error, it panics with it; so it does with ErrOwnerDied, since a reader can repair nothing.
func (m *RWMutex) RLocker() sync.Locker { return &readLocker{m} }

type readLocker struct{ m *RWMutex }

func (l *readLocker) Lock() {
	if err := l.m.RLock(context.Background()); err != nil {
		if isOwnerDied(err) {
			err = errors.Join(err, l.m.RUnlock())
		}
		panic(err)
	}
}

func (l *readLocker) Unlock() {
	if err := l.m.RUnlock(); err != nil {
		panic(err)
	}
}

func (m *RWMutex) release() error                   { return m.Unlock() }
func (m *RWMutex) regain(ctx context.Context) error { return m.Lock(ctx) }

// Reading is m for Cond.Wait by somebody who has locked it for reading.
func (m *RWMutex) Reading() Lockable { return reading{m} }

type reading struct{ m *RWMutex }

func (r reading) release() error                   { return r.m.RUnlock() }
func (r reading) regain(ctx context.Context) error { return r.m.RLock(ctx) }

// RWMutexInfo is what an RWMutex looks like to an observer of its segment.
type RWMutexInfo struct {
	Writer  segment.Participant `json:"writer"`  // Owner 0: nobody
	Readers uint64              `json:"readers"` // how often it is held for reading
	Suspect bool                `json:"suspect"` // its last writer died, and nobody has repaired what it left
	Lost    bool                `json:"lost"`    // not recoverable
	Waited  bool                `json:"waited"`  // somebody may be asleep
}

// String tells the state in words.
func (i RWMutexInfo) String() string {
	s := "free"
	switch {
	case i.Lost:
		return "not recoverable"
	case i.Writer.Owner != 0 && i.Readers > 0:
		s = fmt.Sprintf("%d reading, wanted by %s", i.Readers, i.Writer)
	case i.Writer.Owner != 0:
		s = "held by " + i.Writer.String()
	case i.Readers > 0:
		s = fmt.Sprintf("%d reading", i.Readers)
	}
	if i.Suspect {
		s += ", suspect: its last writer died"
	}
	return waited(s, i.Waited)
}

func (s *RWMutexState) info(o segment.Object) RWMutexInfo {
	l := o.Segment().LockAt(o.Offset())
	holder, suspect := l.Holder()
	return RWMutexInfo{
		Writer:  o.Segment().Participant(holder),
		Readers: newLedger(o.Segment(), ofReaders, &s.rows, nil).sum(),
		Suspect: suspect && holder != 0 || s.suspect.Load() != 0,
		Lost:    suspect && holder == 0,
		Waited:  l.Waited() || s.readers.Asleep() || s.writer.Asleep(),
	}
}
