package crashcases

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// scene is how the ring of a trial stands before the victim's operation.
type scene struct {
	kind kind
	// lead is how many items somebody pushed who is dead by then, and left how many of them are still
	// there. With 0, nobody ever had an end.
	lead, left int
	// reads is set if the victim's end is the reading one.
	reads bool
	// takes is set if it takes it in its operation, and not before.
	takes bool
	// peer is the survivor at the other end; the other survivor is the victim's successor.
	peer int
	// told is set if the successor comes when the one at the other end has heard of the death.
	told bool
	// first is how many items the victim pushes or pops before its operation: with one, the operation
	// finds its fast path.
	first int
	// does is how many items the operation pushes or pops.
	does int
}

// line is a ring in a trial, as each process sees it.
type line struct {
	scene
	ring    medium
	object  segment.Object
	out     sender   // the writing end, if this process has it
	in      receiver // the reading end, if it has that
	sent    uint64
	seen    history
	wasTold bool
	known   []segment.Owner // who was there when this process came, and whoever had the ends
}

func (s scene) line() *line { return &line{scene: s, seen: history{died: -1, midway: s.reads}} }

func (l *line) setup(a *crashlab.Actor) error {
	if _, err := l.kind.create(a.Segment); err != nil || l.lead == 0 {
		return err
	}
	// To the others, a closed attach is a process that died.
	seg, err := shm.Open(a.Name, a.Options()...)
	if err != nil {
		return err
	}
	if err := l.foretell(a.Ctx, seg); err != nil {
		return errors.Join(err, seg.Close())
	}
	return seg.Close()
}

// foretell is what happened before the trial.
func (l *line) foretell(ctx context.Context, seg *shm.Segment) error {
	m, err := l.kind.open(seg)
	if err != nil {
		return err
	}
	w, err := m.writer()
	if err != nil {
		return err
	}
	r, err := m.reader()
	if err != nil {
		return err
	}
	for i := range l.lead {
		if err := w.push(ctx, item{Number: uint64(i + 1), By: bySetup}); err != nil {
			return err
		}
		if i >= l.lead-l.left {
			continue
		}
		if _, err := r.pop(ctx); err != nil {
			return err
		}
	}
	return nil
}

// open finds the ring. Who is at the other end takes it.
func (l *line) open(a *crashlab.Actor) (err error) {
	if l.ring, err = l.kind.open(a.Segment); err != nil {
		return err
	}
	if l.object, err = find(a.Segment, name); err != nil {
		return err
	}
	all, err := a.Segment.Engine().Participants()
	if err != nil {
		return err
	}
	for _, p := range all {
		l.known = append(l.known, p.Owner)
	}
	info, err := ring.Inspect(l.object)
	if err != nil {
		return err
	}
	l.known = append(l.known, 0, info.Writer.Holder.Owner, info.Reader.Holder.Owner)
	if a.N != l.peer {
		return nil
	}
	if l.reads {
		l.out, err = l.ring.writer()
	} else {
		l.in, err = l.ring.reader()
	}
	return err
}

// find is the object of that name.
func find(seg *shm.Segment, name string) (found segment.Object, err error) {
	err = shm.ErrNotExist
	if e := seg.Engine().Objects(func(o segment.Object, n string) bool {
		if n == name {
			found, err = o, nil
		}
		return err != nil
	}); e != nil {
		return found, e
	}
	return found, err
}

// ready is what the victim does before its operation: it takes its end, and comes to where it may use
// plain stores.
func (l *line) ready(a *crashlab.Actor) error {
	if l.takes {
		return nil
	}
	if err := l.take(); err != nil {
		return err
	}
	if err := a.Registered(); err != nil {
		return err
	}
	for range l.first {
		if err := l.one(a.Ctx); err != nil {
			return err
		}
	}
	return nil
}

// take takes the victim's end.
func (l *line) take() error {
	if l.reads {
		r, err := l.ring.reader()
		if err == nil {
			l.in = r
		}
		return err
	}
	w, err := l.ring.writer()
	if err == nil {
		l.out = w
	}
	return err
}

// succeed takes the victim's end as soon as it can be had, unless this process has it already.
func (l *line) succeed(a *crashlab.Actor) error {
	if l.reads && l.in != nil || !l.reads && l.out != nil {
		return nil
	}
	for {
		err := l.take()
		if !errors.Is(err, ring.ErrBusy) {
			return err
		}
		if err := a.Nap(); err != nil {
			return err
		}
	}
}

// next is the next item that this process pushes.
func (l *line) next(who by) item { return item{Number: l.sent + 1, By: who} }

// one pushes or pops one item, as the victim does.
func (l *line) one(ctx context.Context) error {
	if l.reads {
		_, err := l.in.pop(ctx)
		return err
	}
	err := l.out.push(ctx, l.next(byVictim))
	if err == nil {
		l.sent++
	}
	return err
}

// push pushes a survivor's item, whoever dies meanwhile.
func (l *line) push(a *crashlab.Actor, i item) error {
	for {
		err := l.out.push(a.Ctx, i)
		if err == nil {
			l.sent++
			return nil
		}
		if !l.heard(a, err) {
			return err
		}
	}
}

// pop takes the next item, whoever dies meanwhile.
func (l *line) pop(a *crashlab.Actor) (item, error) {
	for {
		i, err := l.in.pop(a.Ctx)
		if err == nil {
			return i, l.see(i)
		}
		if !l.heard(a, err) {
			return i, err
		}
	}
}

// see holds an item against those before.
func (l *line) see(i item) error {
	if err := l.seen.see(i); err != nil {
		return err
	}
	if n := l.seen.died; n >= 0 && i.By == byVictim {
		return fmt.Errorf("%+v, and the one who pushed it was reported dead behind %+v", i, l.seen.items[:n])
	}
	return nil
}

// heard reports whether err says that the one at the other end died.
func (l *line) heard(a *crashlab.Actor, err error) bool {
	if l.takes {
		// Somebody did before the trial, or the victim had its end already.
		died := errors.Is(err, ring.ErrPeerDied)
		if died && l.lead == 0 {
			a.Say("held")
		}
		return died
	}
	if !a.Died(err, ring.ErrPeerDied) {
		return false
	}
	l.wasTold = true
	if l.seen.died < 0 {
		l.seen.died = len(l.seen.items)
	}
	return true
}

// notice says whether the victim's end has a holder who came after this process.
func (l *line) notice(a *crashlab.Actor) error {
	info, err := ring.Inspect(l.object)
	if err != nil {
		return err
	}
	side := info.Writer
	if l.reads {
		side = info.Reader
	}
	if !slices.Contains(l.known, side.Holder.Owner) {
		a.Say("held")
	}
	return nil
}
