package ring

import (
	"context"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// This file is how a writer comes to its turn, and loses it; see turn.

// enter waits for this writer's turn. The row is busy from before it looks.
func (w *BroadcastWriter[T]) enter(ctx context.Context) error {
	if err := w.usable(); err != nil {
		return err
	}
	w.busy.Store(1) // a full fence: before any look at the turn
	if w.has() {
		return nil
	}
	if ok, err := w.glance(ctx.Err() != nil); ok || err != nil { // who cannot wait need not let others go first
		return err
	}
	var result error
	slept := false
	look := func(sleepy bool) bool {
		t := w.cast.load()
		ok, err := w.take(t, slept)
		if !ok && err == nil && (sleepy || w.cast.rests(t)) {
			ok, err = w.seize(t)
		}
		result = err
		return ok || err != nil
	}
	err := w.cast.turns.Wait(ctx, segment.Wait{
		Try:       func() bool { return look(true) },
		Poll:      func() bool { return look(false) },
		Peer:      w.cast.holder,
		Recover:   func(dead segment.Owner) bool { ok, err := w.inherit(dead); result = err; return ok || err != nil },
		Impatient: true, Slept: func() { slept = true },
		Asymmetric: futex.Owing,
	})
	if err != nil {
		return err
	}
	return result
}

// tryEnter is enter without waiting.
func (w *BroadcastWriter[T]) tryEnter() (bool, error) {
	if err := w.usable(); err != nil {
		return false, err
	}
	w.busy.Store(1)
	if w.has() {
		return true, nil
	}
	if ok, err := w.glance(true); ok || err != nil {
		return ok, err
	}
	if o := w.cast.holder(); o != 0 && w.cast.seg.Gone(o) {
		return w.inherit(o)
	}
	return false, nil
}

// glance takes the turn if that is possible at once: nobody's, or that of a writer who keeps it and is not
// at work.
func (w *BroadcastWriter[T]) glance(patient bool) (bool, error) {
	t := w.cast.load()
	if ok, err := w.take(t, patient); ok || err != nil {
		return ok, err
	}
	if !w.cast.rests(t) {
		return false, nil
	}
	return w.seize(t)
}

// has reports whether this writer has the turn, and nobody else wants it. A turn that is wanted is given
// up.
func (w *BroadcastWriter[T]) has() bool {
	if w.mine == 0 {
		return false
	}
	if w.turn.Load() == w.mine {
		return true
	}
	w.give()
	return false
}

// take takes the turn if it is nobody's, or a dead one's for whom somebody has begun to settle. One who has
// given it to others that wanted it lets them go first, unless he is patient, which is when he has slept:
// they may be dead.
func (w *BroadcastWriter[T]) take(t turn, patient bool) (bool, error) {
	if t&turnClosed != 0 {
		return false, ErrClosed
	}
	i, held := t.row()
	switch {
	case held && i >= maxRows:
		return false, w.cast.corrupt("the turn of row %d", i)
	case held && i == w.row && w.mine == 0:
		return false, w.cast.corrupt("the turn of row %d, which does not know", i)
	case held && !w.cast.free(i), !held && t.ticket() == w.gave && !patient:
		return false, nil
	}
	return w.get(t)
}

// seize takes the turn of a writer that keeps it, if that one is not at work.
func (w *BroadcastWriter[T]) seize(t turn) (bool, error) {
	i, held := t.row()
	if !held || i >= maxRows || t&turnClosed != 0 {
		return false, nil
	}
	if t&turnWanted == 0 {
		if !w.cast.swap(t, t|turnWanted) {
			return false, nil
		}
		t |= turnWanted
	}
	if t != w.seen {
		w.seen, w.since = t, word.Now() // behind the mark, however long that took
	}
	if !w.cast.idle(i, w.since) {
		return false, nil
	}
	return w.get(t)
}

// inherit takes the turn of a writer that is proven dead.
func (w *BroadcastWriter[T]) inherit(dead segment.Owner) (bool, error) {
	t := w.cast.load()
	if i, held := t.row(); !held || i >= maxRows || t&turnClosed != 0 ||
		segment.OwnerOf(w.cast.control.rows[i].owner.Load()) != dead {
		return false, nil
	}
	return w.get(t)
}

// get swaps t for a turn of this writer, which then finds out where it is.
func (w *BroadcastWriter[T]) get(t turn) (bool, error) {
	if t.ticket() >= turnTicketMax {
		return false, w.cast.corrupt("%d turns", t.ticket())
	}
	n := t.after(w.row)
	if !w.cast.swap(t, n) {
		return false, nil
	}
	if race.Enabled {
		w.cast.race.Acquire(raceTurn)
	}
	w.mine = uint64(n)
	if t.ticket() == w.last {
		w.last = n.ticket()
		w.runs++
		w.keep = w.keep || w.runs >= keepAfter
		return true, nil
	}
	w.runs = 0
	if err := w.locate(); err != nil {
		return true, err // and whoever comes next locates again
	}
	w.last = n.ticket()
	return true, nil
}

// locate finds the position of the next record. What lies before it is written, so the next who looks need
// not begin before it.
func (w *BroadcastWriter[T]) locate() error {
	c := w.cast.control
	tail, intent := c.tail.Load(), c.intent.Load()
	pos, err := w.cast.written()
	if err == nil && intent-tail > w.cast.lead {
		err = w.cast.corrupt("announced up to %d, written up to %d", intent, tail)
	}
	if err != nil {
		return err
	}
	w.pos = pos
	c.tail.Store(pos)
	return nil
}

// give gives the turn up, if this writer still has it.
func (w *BroadcastWriter[T]) give() {
	w.limit.Store(0)
	if w.mine == 0 {
		return
	}
	mine := turn(w.mine)
	w.mine = 0
	if race.Enabled {
		w.cast.race.Release(raceTurn)
	}
	if w.cast.swap(mine, mine.free()) {
		w.call(false)
		return
	}
	w.keep, w.runs = false, 0
	for {
		t := w.cast.load()
		if i, held := t.row(); !held || i != w.row || t.ticket() != mine.ticket() {
			return // it was seized, or is a zero that Close put there
		}
		if w.cast.swap(t, t.free()) {
			w.gave = t.ticket()
			w.call(t&turnClosed != 0)
			return
		}
	}
}

// call wakes one who waits for the turn, or all who wait for the end.
func (w *BroadcastWriter[T]) call(end bool) {
	if end {
		w.cast.rouse()
		return
	}
	if !w.cast.turns.Event().Idle() {
		w.cast.turns.Signal()
	}
}
