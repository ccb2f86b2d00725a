package crashcases

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// news is a Broadcast as a medium of one writer and one subscriber that holds it up.
type news struct{ *ring.Broadcast[item] }

var ofNews = kind{
	room: newsRoom,
	create: func(seg *shm.Segment) (medium, error) {
		b, err := ring.NewBroadcast[item](seg, capacity, shm.Named(name))
		return news{b}, err
	},
	open: func(seg *shm.Segment) (medium, error) {
		b, err := ring.OpenBroadcast[item](seg, name)
		return news{b}, err
	},
}

// newsRoom is what a Broadcast needs.
const newsRoom = 16 << 10

func (n news) length() (int, error) {
	oldest, next, err := n.Bounds()
	return int(next - oldest), err
}

func (n news) writer() (sender, error) {
	w, err := n.Writer()
	return newsWriter{w}, err
}

func (n news) reader() (receiver, error) {
	s, err := n.Subscribe(ring.FromOldest(), ring.Blocking())
	return newsReader{s}, err
}

type newsWriter struct{ *ring.BroadcastWriter[item] }

func (w newsWriter) push(ctx context.Context, i item) error { return w.Push(ctx, i) }

func (w newsWriter) tryPush(i item) (bool, error) { return w.TryPush(i) }

type newsReader struct{ *ring.Subscriber[item] }

func (r newsReader) pop(ctx context.Context) (item, error) { return r.Next(ctx) }

func (r newsReader) tryPop() (item, bool, error) { return r.TryNext() }

// audience is a Broadcast in a trial, as each process sees it. The victim writes, or reads and holds writers
// up; survivor 0 writes, and survivor 1 reads and holds writers up, unless it is survivor 0 who does, to
// unblock the victim.
type audience struct {
	broadcastScene
	ring *ring.Broadcast[item]
	w    *ring.BroadcastWriter[item]
	s    *ring.Subscriber[item]
	sent uint64
	next [bySurvivor + 1]uint64 // the number of the last item that was seen of each

	shut   bool // it has seen that the stream was closed
	waited bool // the victim was stopped, and went on to the end of its operation
}

// broadcastScene is how the ring of a trial stands before the victim's operation.
type broadcastScene struct {
	name   string
	lead   int  // items of somebody who is dead by then
	reads  bool // the victim is a subscriber that holds writers up
	takes  bool // it comes in its operation, and not before
	rival  bool // survivor 0 has had the turn last
	first  int  // items that the victim pushes before its operation
	does   int  // and in it
	op     func(l *audience, a *crashlab.Actor) error
	closes bool // the operation ends the stream
	last   bool // survivor 0 ends it behind the operation, and all wait for the end
	tries  bool // and nobody waits
	blocks bool // it sleeps until survivor 0 does something
}

func (l *audience) setup(a *crashlab.Actor) error {
	if _, err := ofNews.create(a.Segment); err != nil || l.lead == 0 {
		return err
	}
	// To the others, a closed attach is a process that died.
	seg, err := shm.Open(a.Name, a.Options()...)
	if err != nil {
		return err
	}
	b, err := ring.OpenBroadcast[item](seg, name)
	if err == nil {
		l.w, err = b.Writer()
	}
	for i := 0; i < l.lead && err == nil; i++ {
		err = l.w.Push(a.Ctx, item{Number: uint64(i + 1), By: bySetup})
	}
	return errors.Join(err, seg.Close())
}

func (l *audience) open(a *crashlab.Actor) (err error) {
	if l.ring, err = ring.OpenBroadcast[item](a.Segment, name); err != nil {
		return err
	}
	switch a.N {
	case 0:
		if l.w, err = l.ring.Writer(); err != nil {
			return err
		}
		opts := []ring.EndOption{ring.FromOldest()}
		if l.blocks && !l.reads {
			opts = append(opts, ring.Blocking())
		}
		if l.s, err = l.ring.Subscribe(opts...); err != nil || !l.rival {
			return err
		}
		// It keeps the turn.
		if err = a.Registered(); err == nil {
			err = l.push(a, bySurvivor, 0)
		}
	case 1:
		opts := []ring.EndOption{ring.FromOldest()}
		if !l.blocks {
			opts = append(opts, ring.Blocking())
		}
		l.s, err = l.ring.Subscribe(opts...)
	}
	return err
}

// ready is what the victim does before its operation.
func (l *audience) ready(a *crashlab.Actor) (err error) {
	if l.takes {
		return nil
	}
	if l.reads {
		l.s, err = l.ring.Subscribe(ring.FromOldest(), ring.Blocking())
	} else {
		l.w, err = l.ring.Writer()
	}
	if err == nil {
		err = a.Registered()
	}
	for i := 0; i < l.first && err == nil; i++ {
		err = l.push(a, byVictim, 0)
	}
	return err
}

func (l *audience) push(a *crashlab.Actor, who by, final uint32) error {
	err := l.w.Push(a.Ctx, item{Number: l.sent + 1, By: who, Final: final})
	if err == nil {
		l.sent++
	}
	return err
}

// recover is what the others do: one writes more than the ring keeps, and both read all of it.
func (l *audience) recover(a *crashlab.Actor) (err error) {
	switch {
	case a.N == 2:
		return l.second(a)
	case a.Paused:
		l.waited = true
		err = l.meanwhile(a)
	case l.last:
		return l.finish(a)
	case a.N == 0:
		err = l.write(a)
	default:
		err = l.read(a)
	}
	if l.closes && errors.Is(err, ring.ErrClosed) && !a.Segment.Engine().IsClosed() {
		return l.end(a)
	}
	if l.shut && err == nil {
		return errors.New("the stream was closed, and goes on")
	}
	return err
}

// end is what a survivor does who has found the stream closed: it reads what there is before the end. While
// the victim is stopped it may have to wait for that, and does not.
func (l *audience) end(a *crashlab.Actor) error {
	l.shut = true
	if a.Paused {
		return nil
	}
	for {
		i, err := l.s.Next(a.Ctx)
		if errors.Is(err, ring.ErrClosed) {
			a.Say(fmt.Sprint(closed, " behind ", l.next))
			return nil
		}
		if err == nil {
			err = l.see(i)
		}
		if err != nil {
			return err
		}
	}
}

// closed is the state of a stream that was ended.
const closed = "closed"

// finish is what the others do when the operation is to be the last: survivor 0 closes the stream, and both read
// to the end.
func (l *audience) finish(a *crashlab.Actor) error {
	if a.N == 0 && !l.shut {
		if err := l.w.Close(); err != nil {
			return err
		}
		l.shut = true
	}
	for {
		var i item
		var err error
		ok := true
		if l.tries {
			i, ok, err = l.s.TryNext()
		} else {
			i, err = l.s.Next(a.Ctx)
		}
		switch {
		case errors.Is(err, ring.ErrClosed):
			l.report(a)
			return nil
		case err != nil:
			return err
		case ok:
			err = l.see(i)
		default:
			err = a.Nap()
		}
		if err != nil {
			return err
		}
	}
}

// second is what the second victim does.
func (l *audience) second(a *crashlab.Actor) error {
	w, err := l.ring.Writer()
	if err == nil {
		_, err = w.TryPush(item{Number: 1, By: bySecond})
	}
	if errors.Is(err, ring.ErrClosed) {
		return nil
	}
	return err
}

// meanwhile is what is done while the victim is stopped, wherever that is. Survivors wait for as long as they may,
// which may be in vain.
func (l *audience) meanwhile(a *crashlab.Actor) error {
	if a.N != 0 {
		return l.read(a)
	}
	ok, err := l.w.TryPush(item{Number: l.sent + 1, By: bySurvivor})
	if ok {
		l.sent++
	}
	if err == nil {
		_, err = l.drain()
	}
	if err == nil && !ok {
		err = l.push(a, bySurvivor, 0)
	}
	return err
}

// more is how many items survivor 0 writes: more than the ring has slots, so that whoever still holds it up is
// found.
const more = 2 * capacity

func (l *audience) write(a *crashlab.Actor) error {
	for range more {
		// It reads as it goes, so that it is not lapped, and holds nobody up.
		if _, err := l.drain(); err != nil {
			return err
		}
		if err := l.push(a, bySurvivor, 0); err != nil {
			return err
		}
	}
	if _, err := l.drain(); err != nil {
		return err
	}
	if err := l.push(a, bySurvivor, 1); err != nil {
		return err
	}
	final, err := l.drain()
	if err == nil && !final {
		err = errors.New("what was pushed last is not there")
	}
	if err == nil {
		l.report(a)
	}
	return err
}

// drain reads what there is, up to a last item.
func (l *audience) drain() (final bool, err error) {
	for {
		i, ok, err := l.s.TryNext()
		if !ok || err != nil {
			return false, err
		}
		if err := l.see(i); err != nil || i.Final == 1 {
			return err == nil, err
		}
	}
}

func (l *audience) read(a *crashlab.Actor) error {
	for {
		before := l.s.Sequence()
		i, err := l.s.Next(a.Ctx)
		var lapped *ring.Lapped
		if l.blocks && errors.As(err, &lapped) {
			if lapped.Missed == 0 || lapped.Next != before+lapped.Missed || lapped.Next != l.s.Sequence() {
				return fmt.Errorf("at record %d: %w, and it goes on at %d", before, err, l.s.Sequence())
			}
			l.next = [bySurvivor + 1]uint64{}
			continue
		}
		if err == nil {
			err = l.see(i)
		}
		if err != nil {
			return err
		}
		if i.Final == 1 {
			if !l.blocks {
				l.report(a)
			}
			return nil
		}
	}
}

// see holds an item against those of the same writer before it.
func (l *audience) see(i item) error {
	if i.By < bySetup || i.By > bySurvivor || i.Final > 1 {
		return fmt.Errorf("%+v, which nobody pushed", i)
	}
	if last := &l.next[i.By]; *last != 0 || !l.blocks {
		if i.Number != *last+1 {
			return fmt.Errorf("%+v behind number %d", i, *last)
		}
	}
	l.next[i.By] = i.Number
	return nil
}

// report says how many items of the victim came.
func (l *audience) report(a *crashlab.Actor) {
	a.Say(strconv.Itoa(int(l.next[byVictim]) - l.first))
}

// check says how far the operation came: all who read to the end must say the same.
func (l *audience) check(a *crashlab.Actor) (string, error) {
	o, err := find(a.Segment, name)
	if err == nil {
		err = ring.Check(o)
	}
	if err != nil {
		return "", err
	}
	if len(a.Said) == 0 {
		return "", errors.New("nobody read to the end")
	}
	for _, word := range a.Said[1:] {
		if word != a.Said[0] {
			return "", fmt.Errorf("one saw what the other did not: %q", a.Said)
		}
	}
	all := l.states()
	state := all[0]
	switch {
	case strings.HasPrefix(a.Said[0], closed):
		state = closed
	case l.does > 0:
		state = a.Said[0] + " pushed"
	}
	if last := all[len(all)-1]; l.waited && state != last {
		return "", fmt.Errorf("state %q, and not %q, behind an operation that was stopped and went on", state, last)
	}
	return state, nil
}

// states are those of the case.
func (s broadcastScene) states() []string {
	switch {
	case s.closes:
		return []string{"open", closed}
	case s.does > 0:
		return stages(s.does, "pushed")
	}
	return []string{"done"}
}

// items are the next that the victim pushes.
func (l *audience) items(n int) (all []item) {
	for i := range n {
		all = append(all, item{Number: l.sent + uint64(i) + 1, By: byVictim})
	}
	return all
}

func (l *audience) unblock(a *crashlab.Actor) error {
	if l.reads {
		return l.push(a, bySurvivor, 0)
	}
	i, err := l.s.Next(a.Ctx)
	if err == nil {
		err = l.see(i)
	}
	return err
}

func broadcastPush(l *audience, a *crashlab.Actor) error { return l.push(a, byVictim, 0) }

func broadcastNext(l *audience, a *crashlab.Actor) error {
	_, err := l.s.Next(a.Ctx)
	return err
}

func broadcastCases() (all []crashlab.Case) {
	all = append(all, broadcastStorm())
	const write, read = "ring.BroadcastWriter.", "ring.Subscriber."
	for _, s := range []broadcastScene{
		{name: "ring.Broadcast.Writer", takes: true, lead: 3, op: func(l *audience, a *crashlab.Actor) error {
			_, err := l.ring.Writer()
			return err
		}},
		{name: "ring.Broadcast.Subscribe", takes: true, reads: true, lead: 3, op: func(l *audience, a *crashlab.Actor) error {
			_, err := l.ring.Subscribe(ring.FromOldest(), ring.Blocking())
			return err
		}},
		{name: write + "Push", lead: 4, first: 1, does: 1, op: broadcastPush},
		{name: write + "Push, first", lead: 3, does: 1, op: broadcastPush},
		{name: write + "Push, over what was there", lead: 5, first: 2, does: 1, op: broadcastPush},
		{name: write + "Push, blocked", lead: 8, first: 2, does: 1, op: broadcastPush, blocks: true},
		{name: write + "Push, the turn is another's", lead: 3, rival: true, does: 1, op: broadcastPush},
		{name: write + "Push, and the stream is closed", lead: 4, first: 1, does: 1, op: broadcastPush, last: true},
		{name: write + "Push, and the end is looked for", lead: 4, first: 1, does: 1, op: broadcastPush, last: true, tries: true},
		{name: write + "TryPush", lead: 4, first: 1, does: 1, op: func(l *audience, _ *crashlab.Actor) error {
			return must(l.w.TryPush(l.items(1)[0]))
		}},
		{name: write + "PushN", lead: 3, first: 1, does: 3, op: func(l *audience, a *crashlab.Actor) error {
			return counted(3)(l.w.PushN(a.Ctx, l.items(3)))
		}},
		{name: write + "Leave", lead: 3, first: 1, op: func(l *audience, _ *crashlab.Actor) error { return l.w.Leave() }},
		{name: write + "Close", lead: 3, first: 1, closes: true, op: func(l *audience, _ *crashlab.Actor) error { return l.w.Close() }},
		{name: write + "Close, the turn is another's", lead: 3, rival: true, closes: true,
			op: func(l *audience, _ *crashlab.Actor) error { return l.w.Close() }},
		{name: read + "Next", lead: 4, reads: true, op: broadcastNext},
		{name: read + "Next, blocked", lead: 0, reads: true, op: broadcastNext, blocks: true},
		{name: read + "TryNext", lead: 4, reads: true, op: func(l *audience, _ *crashlab.Actor) error {
			_, ok, err := l.s.TryNext()
			return must(ok, err)
		}},
		{name: read + "NextN", lead: 4, reads: true, op: func(l *audience, a *crashlab.Actor) error {
			_, err := l.s.NextN(a.Ctx, make([]item, 3))
			return err
		}},
		{name: read + "All", lead: 4, reads: true, op: func(l *audience, a *crashlab.Actor) error {
			for i, err := range l.s.All(a.Ctx) {
				if err != nil || i.Number == 3 {
					return err
				}
			}
			return nil
		}},
		{name: read + "Close", lead: 4, reads: true, op: func(l *audience, _ *crashlab.Actor) error { return l.s.Close() }},
	} {
		operation, _, _ := strings.Cut(s.name, ",")
		all = append(all, crashlab.Case{
			Name: s.name, Covers: []string{operation}, States: s.states(),
			Play: func() crashlab.Play {
				l := &audience{broadcastScene: s}
				p := crashlab.Play{
					Room: newsRoom, Setup: l.setup, Open: l.open, Ready: l.ready,
					Victim:  func(a *crashlab.Actor) error { return l.op(l, a) },
					Recover: l.recover, Check: l.check,
				}
				if l.blocks {
					p.Unblock = l.unblock
				}
				return p
			},
		})
	}
	return all
}
