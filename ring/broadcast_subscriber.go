package ring

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// Lapped is what a subscriber is told when writers overwrote records before it read them. It goes on with
// the oldest that is kept. errors.Is finds ErrLapped in it, and errors.As the rest.
type Lapped struct {
	Missed uint64 // so many records are gone
	Next   uint64 // the sequence of the one that comes next
}

// Error tells the count.
func (l *Lapped) Error() string {
	return fmt.Sprintf("%v: %d records missed, the next is %d", ErrLapped, l.Missed, l.Next)
}

// Is reports whether target is ErrLapped.
func (l *Lapped) Is(target error) bool { return target == ErrLapped }

// Blocking has writers wait for the subscriber when they would overwrite what it did not read. It is an
// option of Subscribe. When the subscriber's process dies, they go on; when it is stopped, they wait.
func Blocking() EndOption { return func(c *endConfig) { c.blocks = true } }

// FromNewest has a subscriber begin behind the newest record: with the next one that is pushed. It is the
// default.
func FromNewest() EndOption { return func(c *endConfig) { c.start = fromNewest } }

// FromOldest has a subscriber begin with the oldest record that is kept.
func FromOldest() EndOption { return func(c *endConfig) { c.start = fromOldest } }

// FromSequence has a subscriber begin with the record of that sequence, which is kept, or is the next to
// come.
func FromSequence(sequence uint64) EndOption {
	return func(c *endConfig) { c.start, c.sequence = fromSequence, sequence }
}

// Where a subscriber begins.
const (
	fromNewest = iota
	fromOldest
	fromSequence
)

// Subscriber reads a Broadcast. One goroutine at a time may use it, Close included: who waits in a call is woken by its context, or by Close of the
// segment.
type Subscriber[T any] struct {
	slots []slot[T]
	pos   uint64 // of the next record
	index uint64 // pos modulo the slots, but their number itself right before a wrap

	// next is up to where Next needs no look at anything but the slot and intent: the end of the slots. It
	// stays at pos as long as every read must fence, and is 0 after Close of the segment.
	next atomic.Uint64

	intent *word.Uint64
	span   uint64       // how far intent may be ahead of pos
	at     *word.Uint64 // of its row; nil if it does not hold writers up
	room   *futex.Event // of those whom it holds up

	cast   *cast
	row    int
	self   segment.Owner
	closed time.Time // when it first saw that the stream was closed, and a writer had the turn
	gone   bool
	polls  bool
	off    func()
}

// Subscribe adds a subscriber, which begins behind the newest record if the options do not say otherwise. It
// fails with ErrSequence, which names the range, if FromSequence asks for a record that is not kept,
// with ErrTooMany if there are 64 writers and blocking subscribers that live, and with ErrClosed and
// ErrCorrupt.
func (b *Broadcast[T]) Subscribe(opts ...EndOption) (*Subscriber[T], error) {
	s, err := b.subscribe(configOf(opts))
	return s, b.cast.wrap("subscribe to", err)
}

func (b *Broadcast[T]) subscribe(cfg endConfig) (*Subscriber[T], error) {
	c := b.cast
	if err := c.seg.Writable(); err != nil {
		return nil, err
	}
	s := &Subscriber[T]{
		slots: b.all, intent: &c.control.intent, span: c.slots, room: c.room.Event(), cast: c,
		self: c.seg.Self(), polls: cfg.policy != Park && futex.ManyCPUs(),
	}
	c.items.SetPolicy(cfg.policy)
	pos, err := s.start(cfg)
	if err != nil {
		return nil, err
	}
	s.pos = pos
	if cfg.blocks {
		if err := s.place(cfg); err != nil {
			return nil, err
		}
	}
	s.off = c.seg.OnClose(func() { s.next.Store(0) })
	return s, nil
}

// start is where the subscriber begins.
func (s *Subscriber[T]) start(cfg endConfig) (uint64, error) {
	oldest := s.cast.oldest()
	newest, err := s.cast.written()
	if err != nil {
		return 0, err
	}
	switch cfg.start {
	case fromOldest:
		return min(oldest, newest), nil
	case fromNewest:
		return newest, nil
	}
	return cfg.sequence, within(cfg.sequence, oldest, newest)
}

func within(sequence, oldest, next uint64) error {
	if sequence < oldest || sequence > next {
		return fmt.Errorf("record %d, and there are %d to %d: %w", sequence, oldest, next, ErrSequence)
	}
	return nil
}

// place makes writers wait for this subscriber, from where it begins on. Writers look at the rows behind
// their store to intent, and this one looks at intent behind its store to the row: if that record may be
// overwritten already, this one sees it, and goes on to the oldest that may not. From there on it is
// safe: writers that announced less see the row before they announce more.
func (s *Subscriber[T]) place(cfg endConfig) error {
	c := s.cast
	i, ok := c.claim(s.self)
	if !ok {
		return ErrTooMany
	}
	futex.Register()
	s.row, s.at, s.span = i, &c.control.rows[i].at, 1<<62
	for range settles {
		s.at.Store(s.pos + 1) // pairs with the second look of extend
		oldest := c.oldest()
		if oldest <= s.pos {
			s.cast.room.Broadcast() // whoever waits for an older one need not
			return nil
		}
		if cfg.start == fromSequence {
			newest, err := c.written()
			if err == nil {
				err = within(s.pos, oldest, max(oldest, newest))
			}
			s.vacate()
			return err
		}
		s.pos = oldest
	}
	s.vacate()
	return c.corrupt("announced records come to no end")
}

// settles is how often a subscriber begins anew: writers that do not see its row announce records once.
const settles = 1000

// vacate gives the row back and lets writers go on.
func (s *Subscriber[T]) vacate() {
	if s.at != nil {
		s.cast.drop(s.row, s.self)
		s.cast.room.Rouse()
	}
}

// Next returns the next record. It blocks while there is none. Errors: a Lapped, behind which Next goes on,
// ErrClosed when the stream was ended and all is read, ErrCorrupt, and the context's.
func (s *Subscriber[T]) Next(ctx context.Context) (T, error) {
	if s.pos >= s.next.Load() {
		return s.nextSlow(ctx)
	}
	at := &s.slots[s.index]
	if at.sequence.Load() != s.pos+1 { // pairs with the publish in Push
		return s.nextSlow(ctx)
	}
	if race.Enabled {
		s.acquire()
	}
	v := at.value
	futex.LoadFence()
	if s.intent.Load()-s.pos-1 >= s.span { // behind the copy: pairs with the store in extend
		return s.nextSlow(ctx)
	}
	s.pos++
	s.index++
	if s.at != nil {
		futex.Publish(s.at, s.pos+1) // commits the read
		if !s.room.Idle() {
			s.signal()
		}
	}
	runtime.KeepAlive(s)
	return v, nil
}

// acquire tells the race detector what Next has seen, and what writers may rely on.
func (s *Subscriber[T]) acquire() {
	s.cast.race.Acquire(raceSlots + s.pos%s.cast.slots)
	if s.at != nil {
		s.cast.race.Release(raceRows)
	}
}

// signal wakes the writers. A mark that stays asks for fences.
func (s *Subscriber[T]) signal() {
	s.cast.room.Broadcast()
	if s.room.Fenced() {
		s.next.Store(0)
	}
}

// TryNext returns the next record if there is one, and reports whether there was. It never blocks. Errors
// are those of Next.
func (s *Subscriber[T]) TryNext() (v T, ok bool, err error) {
	var vs [1]T
	if s.burst(vs[:]) == 1 {
		return vs[0], true, nil
	}
	if ok, err = s.ready(); !ok && err == nil {
		if s.cast.over(&s.closed) {
			// The last record may have come behind the look at it.
			if ok, err = s.ready(); !ok && err == nil {
				err = ErrClosed
			}
		}
	}
	if ok && err == nil {
		v, ok, err = s.load()
	}
	return v, ok && err == nil, s.cast.wrap("read", err)
}

// NextN reads up to len(vs) records, at least one: it blocks while there is none, and not for more. It
// returns how many it read. Errors are those of Next.
func (s *Subscriber[T]) NextN(ctx context.Context, vs []T) (int, error) {
	if len(vs) == 0 {
		return 0, nil
	}
	n := s.burst(vs)
	if n == 0 {
		v, err := s.Next(ctx)
		if err != nil {
			return 0, err
		}
		vs[0] = v
		n = 1
	}
	for n < len(vs) {
		if k := s.burst(vs[n:]); k > 0 {
			n += k
			continue
		}
		// At the end of the slots, or where each read fences. What is wrong the next call says.
		s.index = s.pos % s.cast.slots
		if s.slots[s.index].sequence.Load() != s.pos+1 {
			break
		}
		v, ok, err := s.load()
		if !ok || err != nil {
			break
		}
		vs[n] = v
		n++
	}
	return n, nil
}

// burst reads what there is on the fast path, up to len(vs) records. It looks at intent once behind all of
// them.
func (s *Subscriber[T]) burst(vs []T) int {
	bound := s.next.Load()
	if s.pos >= bound {
		return 0
	}
	most := min(uint64(len(vs)), bound-s.pos)
	n := uint64(0)
	for n < most {
		at := &s.slots[s.index+n]
		if at.sequence.Load() != s.pos+n+1 {
			break
		}
		if race.Enabled {
			s.cast.race.Acquire(raceSlots + s.index + n)
		}
		vs[n] = at.value
		n++
	}
	if race.Enabled && s.at != nil {
		s.cast.race.Release(raceRows)
	}
	futex.LoadFence()
	if n == 0 || s.intent.Load()-s.pos-1 >= s.span {
		return 0 // none, or the first may have been overwritten
	}
	s.pos += n
	s.index += n
	if s.at != nil {
		futex.Publish(s.at, s.pos+1)
		if !s.room.Idle() {
			s.signal()
		}
	}
	runtime.KeepAlive(s)
	return int(n)
}

// All yields records as they come, until the stream was ended and all is read. What it missed is yielded
// as an error (Lapped), and it goes on. Any other error is yielded, and is the last thing yielded; that
// this subscriber, or its segment, was closed is one. Beside an error the value is zero.
func (s *Subscriber[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := s.Next(ctx)
			if ended(err) && s.usable() == nil {
				return
			}
			if !yield(v, err) || err != nil && !errors.Is(err, ErrLapped) {
				return
			}
		}
	}
}

func (s *Subscriber[T]) nextSlow(ctx context.Context) (T, error) {
	if s.pos < s.next.Load() && s.glance() {
		if v, ok, err := s.load(); ok || err != nil {
			return v, s.cast.wrap("read", err)
		}
	}
	for range reads {
		ok, err := s.ready()
		if !ok && err == nil {
			err = s.wait(ctx)
		}
		var v T
		if err == nil {
			v, ok, err = s.load()
		}
		if ok || err != nil {
			return v, s.cast.wrap("read", err)
		}
	}
	var none T
	return none, s.cast.wrap("read", s.cast.corrupt("record %d is overwritten, and is not", s.pos))
}

// reads is how often a record is read anew that may have been overwritten: the second look tells.
const reads = 3

// glance polls the slot at pos.
func (s *Subscriber[T]) glance() bool {
	return s.polls && glance(&s.slots[s.index].sequence, s.pos+1)
}

// load reads the record at pos, which is there, and fences, whatever next says. It reports false if the
// record may have been overwritten meanwhile.
func (s *Subscriber[T]) load() (v T, ok bool, err error) {
	if race.Enabled {
		s.acquire()
	}
	v = s.slots[s.index].value
	futex.LoadFence()
	if s.intent.Load()-s.pos-1 >= s.span {
		var none T
		return none, false, s.usable()
	}
	s.pos++
	s.index++
	if s.at != nil {
		s.at.Store(s.pos + 1)
		if !s.room.Idle() {
			s.signal()
		}
	}
	if err := s.usable(); err != nil {
		var none T
		return none, false, err
	}
	return v, true, nil
}

// ready sets index and next anew, and reports whether there is a record. Errors: Lapped, ErrCorrupt,
// ErrClosed.
func (s *Subscriber[T]) ready() (bool, error) {
	if err := s.usable(); err != nil {
		return false, err
	}
	c := s.cast
	s.index = s.pos % c.slots
	sequence := s.slots[s.index].sequence.Load()
	if s.at == nil {
		if oldest := c.oldest(); oldest > s.pos {
			return false, s.lap(oldest)
		}
	}
	if sequence == s.pos+1 {
		if s.at == nil || futex.Plain(s.room) {
			s.next.Store(s.pos + c.slots - s.index)
			if c.seg.IsClosed() {
				s.next.Store(0)
			}
		}
		return true, nil
	}
	before := uint64(0) // of the record that was there a lap ago
	if s.pos >= c.slots {
		before = s.pos + 1 - c.slots
	}
	if sequence != before {
		return false, c.corrupt("slot %d has sequence %d at record %d", s.index, sequence, s.pos)
	}
	return false, nil
}

// lap goes on with the oldest record that is kept.
func (s *Subscriber[T]) lap(oldest uint64) error {
	missed := oldest - s.pos
	if missed > 1<<62 {
		return s.cast.corrupt("subscriber at %d, and %d is the oldest record", s.pos, oldest)
	}
	s.pos = oldest
	s.next.Store(0)
	return &Lapped{Missed: missed, Next: oldest}
}

// wait blocks until there is a record.
func (s *Subscriber[T]) wait(ctx context.Context) error {
	c := s.cast
	var result error
	look := func() bool {
		ok, err := s.ready()
		if !ok && err == nil && c.ended(&s.closed) {
			if ok, err = s.ready(); !ok && err == nil {
				err = ErrClosed
			}
		}
		result = err
		return ok || err != nil
	}
	if ctx.Err() != nil && look() {
		return result // what there is, and the end of the stream, come before the context's end
	}
	polls := 0
	err := c.items.Wait(ctx, segment.Wait{
		Try: look,
		Poll: func() bool {
			polls++
			return s.slots[s.index].sequence.Load() == s.pos+1 || polls%exactEvery == 0 && look()
		},
		// Whose death ends the stream: of a closed one's last writer.
		Peer: func() segment.Owner {
			if c.load()&turnClosed == 0 {
				return 0
			}
			return c.holder()
		},
		Recover: func(segment.Owner) bool {
			if i, held := c.load().row(); held && i < maxRows {
				c.settleDead(i)
			}
			return look()
		},
		Asymmetric: futex.Owing,
		Apart:      true, // other subscribers of this process may be ahead
	})
	if err != nil {
		return err
	}
	return result
}

// usable is nil if this subscriber can be used.
func (s *Subscriber[T]) usable() error {
	if s.gone {
		return ErrClosed
	}
	if s.cast.seg.Self() == s.self {
		return nil
	}
	return s.cast.seg.Writable()
}

// Sequence is that of the next record.
func (s *Subscriber[T]) Sequence() uint64 { return s.pos }

// Behind is how many records there are that it has not read. It is out of date as soon as it returns; of
// those, some may be overwritten by now. It fails with ErrCorrupt and ErrClosed.
func (s *Subscriber[T]) Behind() (uint64, error) {
	if err := s.usable(); err != nil {
		return 0, s.cast.wrap("look at", err)
	}
	next, err := s.cast.written()
	return max(next, s.pos) - s.pos, s.cast.wrap("look at", err)
}

// Close takes the subscriber away. Writers do not wait for it any more. It fails with ErrClosed if it was
// closed.
func (s *Subscriber[T]) Close() error {
	err := s.usable()
	if err == nil {
		s.gone = true
		s.next.Store(0)
		s.vacate()
		s.off()
	}
	return s.cast.wrap("close subscriber of", err)
}
