package crashcases

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// relay is a ring whose ends go from hand to hand: whoever finds one free takes it, does a little, and
// leaves the segment, or is killed. The n-th item that is pushed has the number n, whoever pushes it,
// so each successor can see that it goes on exactly where the one before it stopped.
type relay struct {
	kind kind
	unit uint64 // how far an item moves the reader's position
	own  hands  // of this process, on the attach that the lab made
}

// hands are what one attach has of a relay.
type hands struct {
	kind   kind
	unit   uint64
	ring   medium
	object segment.Object
	ledger *ledger
	out    sender
	in     receiver
	next   uint64 // to be pushed
	last   uint64 // that was popped
}

const ledgerName = "ledger"

func (r *relay) setup(a *crashlab.Actor) error {
	if _, err := r.kind.create(a.Segment); err != nil {
		return err
	}
	_, err := a.Segment.Engine().New(segment.Spec{Kind: segment.KindRaw, Size: ledgerSize, Name: ledgerName})
	return err
}

func (r *relay) open(a *crashlab.Actor) (err error) {
	r.own, err = r.reach(a.Segment)
	return err
}

func (r *relay) reach(seg *shm.Segment) (h hands, err error) {
	h.kind, h.unit = r.kind, r.unit
	if h.ring, err = r.kind.open(seg); err != nil {
		return h, err
	}
	if h.object, err = find(seg, name); err != nil {
		return h, err
	}
	o, err := find(seg, ledgerName)
	if err == nil {
		h.ledger = ledgerIn(o)
	}
	return h, err
}

// position is how many items were popped.
func (h *hands) position() uint64 { return positionIn(h.object).Load() / h.unit }

// takeOut takes the writing end, and holds where it begins against the ledger. It does nothing if
// somebody has the end.
func (h *hands) takeOut() error {
	if h.out != nil {
		return nil
	}
	w, err := h.ring.writer()
	if err != nil {
		return busy(err)
	}
	h.out = w
	// Nobody pushes now, but somebody may pop between the looks at the two.
	for {
		position := h.position()
		n, err := h.ring.length()
		if h.position() != position {
			continue
		}
		if err != nil {
			return err
		}
		if _, values := h.ring.(values); !values {
			n /= int(h.unit)
		}
		h.next = position + uint64(n) + 1
		break
	}
	begun, pushed := h.ledger.begun.Load(), h.ledger.pushed.Load()
	if there := h.next - 1; there < pushed || there > begun {
		return fmt.Errorf("the successor at the writing end goes on behind %d items, %d were pushed and %d begun", there, pushed, begun)
	}
	return nil
}

// takeIn is takeOut for the reading end.
func (h *hands) takeIn() error {
	if h.in != nil {
		return nil
	}
	r, err := h.ring.reader()
	if err != nil {
		return busy(err)
	}
	h.in, h.last = r, h.position()
	// Between a pop and the note of it there may have been a death.
	if popped := h.ledger.popped.Load(); h.last < popped || h.last > popped+1 {
		return fmt.Errorf("the successor at the reading end goes on behind %d items, %d were popped", h.last, popped)
	}
	return nil
}

func busy(err error) error {
	if errors.Is(err, ring.ErrBusy) {
		return nil
	}
	return err
}

// push pushes the next item if there is room.
func (h *hands) push(i item) (bool, error) {
	i.Number = h.next
	h.ledger.begun.Store(i.Number)
	ok, err := h.out.tryPush(i)
	if ok {
		h.ledger.pushed.Store(i.Number)
		h.next++
	}
	return ok, err
}

// note takes note of an item that was popped, and fails if it was not the next.
func (h *hands) note(i item) error {
	if i.Number != h.last+1 {
		return fmt.Errorf("%+v behind item %d", i, h.last)
	}
	h.last++
	h.ledger.popped.Store(h.last)
	return nil
}

// turns is how many items one moves at a time: more than the ring of values holds.
const turns = capacity + 3

// work does what can be done without waiting.
func (h *hands) work(who by) error {
	if err := errors.Join(h.takeOut(), h.takeIn()); err != nil {
		return err
	}
	for range turns {
		if h.out != nil {
			if _, err := h.push(item{By: who}); err != nil {
				return err
			}
		}
		if h.in == nil {
			continue
		}
		i, ok, err := h.in.tryPop()
		if ok {
			err = h.note(i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lend takes what ends are free, works, waits for the other end if it has but one, and leaves the
// segment: to the others, it has died.
func (r *relay) lend(a *crashlab.Actor) error {
	seg, err := shm.Open(a.Name, a.Options()...)
	if err != nil {
		return err
	}
	h, err := r.reach(seg)
	if err == nil {
		err = h.work(byVictim)
	}
	if err == nil && h.in != nil && h.out == nil {
		err = h.listen(a)
	}
	return errors.Join(err, seg.Close())
}

// listen pops one item, or hears that the writer died.
func (h *hands) listen(a *crashlab.Actor) error {
	i, err := h.in.pop(a.Ctx)
	if errors.Is(err, ring.ErrPeerDied) {
		return nil
	}
	if err == nil {
		err = h.note(i)
	}
	return err
}

// once is the victim's operation: it takes both ends, and moves an item.
func (r *relay) once(*crashlab.Actor) error {
	h := &r.own
	if err := errors.Join(h.takeOut(), h.takeIn()); err != nil {
		return err
	}
	if h.out != nil {
		if _, err := h.push(item{By: byVictim}); err != nil {
			return err
		}
	}
	if h.in == nil {
		return nil
	}
	i, ok, err := h.in.tryPop()
	if ok {
		err = h.note(i)
	}
	return err
}

// recover takes the ends over: survivor 0 writes, survivor 1 reads up to the last item.
func (r *relay) recover(a *crashlab.Actor) error {
	h := &r.own
	switch a.N {
	case 2:
		return r.once(a)
	case 0:
		for h.out == nil {
			if err := h.takeOut(); err != nil {
				return err
			}
			if err := a.Nap(); err != nil {
				return err
			}
		}
		return h.end(a)
	}
	for h.in == nil {
		if err := h.takeIn(); err != nil {
			return err
		}
		if err := a.Nap(); err != nil {
			return err
		}
	}
	for {
		i, err := h.in.pop(a.Ctx)
		if errors.Is(err, ring.ErrPeerDied) {
			continue
		}
		if err == nil {
			err = h.note(i)
		}
		if err != nil || i.Final == 1 {
			return err
		}
	}
}

// end pushes the last item.
func (h *hands) end(a *crashlab.Actor) error {
	i := item{By: bySurvivor, Final: 1}
	if a.Paused {
		i.Final = 0
	}
	for {
		ok, err := h.push(i)
		if ok || err != nil {
			return err
		}
		if err := a.Nap(); err != nil {
			return err
		}
	}
}

// check holds the ledger against the ring: all that was pushed was popped, and nothing else.
func (r *relay) check(*crashlab.Actor) (string, error) {
	h := &r.own
	pushed, popped := h.ledger.pushed.Load(), h.ledger.popped.Load()
	if position := h.position(); pushed != popped || pushed != position {
		return "", fmt.Errorf("%d pushed, %d popped, the reader is behind %d", pushed, popped, position)
	}
	if n, err := h.ring.length(); n != 0 || err != nil {
		return "", fmt.Errorf("%d left, %w", n, err)
	}
	return "done", ring.Check(h.object)
}

// recordUnit is how far a record of an item moves the reader.
const recordUnit = 8 + itemSize

func stormCases() (all []crashlab.Case) {
	for _, c := range []struct {
		name   string
		covers []string
		relay  relay
	}{
		{
			"ring.SPSC, from hand to hand",
			[]string{"ring.Writer.TryPush", "ring.Reader.TryPop"}, relay{kind: ofValues, unit: 1},
		},
		{
			"ring.Bytes, from hand to hand",
			[]string{"ring.BytesWriter.TryReserve", "ring.BytesReader.TryPeek"}, relay{kind: ofRecords(nil), unit: recordUnit},
		},
	} {
		all = append(all, crashlab.Case{
			Name: c.name, Covers: c.covers, States: []string{"done"},
			Play: func() crashlab.Play {
				r := c.relay
				return crashlab.Play{
					Room: r.kind.room, Setup: r.setup, Open: r.open, Victim: r.once, Recover: r.recover,
					Check: r.check, Storm: r.lend,
				}
			},
		})
	}
	return all
}
