package crashcases

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/ring"
)

// recover is what the others do: one goes on at the other end, one takes the victim's, and the reader of
// them looks at all that comes.
func (l *line) recover(a *crashlab.Actor) error {
	if l.takes {
		if err := l.notice(a); err != nil {
			return err
		}
	}
	var err error
	switch {
	case a.N == 2:
		return l.second(a)
	case a.N == l.peer:
		err = l.goOn(a)
	case l.told:
		return nil // the one who is told is the successor
	default:
		err = l.goOnAfter(a)
	}
	if errors.Is(err, ring.ErrClosed) {
		return l.closed(a, err)
	}
	return err
}

// closed is the end of a ring that the victim closed.
func (l *line) closed(a *crashlab.Actor, err error) error {
	if a.Segment.Engine().IsClosed() {
		return err
	}
	a.Say("closed")
	if l.in != nil {
		return l.report(a)
	}
	return nil
}

// second is what the second victim does: it takes the first one's end, and uses it.
func (l *line) second(a *crashlab.Actor) error {
	err := l.succeed(a)
	switch {
	case errors.Is(err, ring.ErrClosed):
		return nil
	case err != nil:
		return err
	case l.reads:
		_, _, err = l.in.tryPop()
	default:
		_, err = l.out.tryPush(l.next(bySecond))
	}
	return err
}

// goOn is what the one at the other end does.
func (l *line) goOn(a *crashlab.Actor) error {
	if l.told {
		if err := l.untilTold(a); err != nil {
			return err
		}
		if err := l.succeed(a); err != nil {
			return err
		}
		if !l.reads {
			if err := l.finish(a); err != nil {
				return err
			}
		}
		return l.drain(a)
	}
	if l.reads {
		return l.finish(a)
	}
	return l.drain(a)
}

// goOnAfter is what the successor does.
func (l *line) goOnAfter(a *crashlab.Actor) error {
	if err := l.succeed(a); err != nil {
		return err
	}
	if l.reads {
		return l.drain(a)
	}
	return l.finish(a)
}

// finish pushes the last item, or one that is not the last while the victim is only stopped.
func (l *line) finish(a *crashlab.Actor) error {
	i := l.next(bySurvivor)
	if !a.Paused {
		i.Final = 1
	}
	return l.push(a, i)
}

// drain pops until the last item, behind which there must be nothing.
func (l *line) drain(a *crashlab.Actor) error {
	for !l.seen.final() {
		if _, err := l.pop(a); err != nil {
			return err
		}
	}
	if i, ok, err := l.in.tryPop(); ok || err != nil {
		return fmt.Errorf("%+v behind the last, %w", i, err)
	}
	return l.report(a)
}

// untilTold drains or fills the ring until the victim's death is reported, once.
func (l *line) untilTold(a *crashlab.Actor) error {
	for !l.wasTold {
		var err error
		if l.reads {
			err = l.out.push(a.Ctx, l.next(bySurvivor))
			if err == nil {
				l.sent++
			}
		} else {
			var i item
			if i, err = l.in.pop(a.Ctx); err == nil {
				err = l.see(i)
			}
		}
		if err != nil && !l.heard(a, err) {
			return err
		}
	}
	if !l.reads {
		return nil
	}
	// The ring is full, and nobody takes from it, so the last item goes in when the reader is there.
	if err := l.succeed(a); err != nil {
		return err
	}
	if _, err := l.pop(a); err != nil {
		return err
	}
	return l.finish(a)
}

// report says how far the victim's operation came.
func (l *line) report(a *crashlab.Actor) error {
	n := l.seen.count(byVictim) - l.first
	if l.reads {
		n = l.before() - l.first
	}
	if !l.reads && l.seen.count(bySetup) != l.left {
		return fmt.Errorf("not the %d items of the setup: %+v", l.left, l.seen.items)
	}
	a.Say(strconv.Itoa(n))
	return nil
}

// before is how many items came out of the ring before the first that this process saw.
func (l *line) before() int {
	if len(l.seen.items) == 0 {
		return 0
	}
	first := l.seen.items[0]
	if first.By == bySetup {
		return int(first.Number) - 1 - (l.lead - l.left)
	}
	return int(first.Number) - 1 + l.left
}

// stages are the states of an operation that handles n items.
func stages(n int, done string) (all []string) {
	for i := range n + 1 {
		all = append(all, fmt.Sprintf("%d %s", i, done))
	}
	return all
}

// sound holds what there is in the end against what must be in any case.
func (l *line) sound() error {
	if err := ring.Check(l.object); err != nil {
		return err
	}
	if n, err := l.ring.length(); n != 0 || err != nil {
		return fmt.Errorf("%d left of what was read to the end, %w", n, err)
	}
	return nil
}

// progress says how many items the operation pushed or popped.
func (l *line) progress(done string) func(a *crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		said := slices.DeleteFunc(slices.Clone(a.Said), func(word string) bool { return word == "held" })
		if len(said) != 1 {
			return "", fmt.Errorf("heard of the items: %q", said)
		}
		n, err := strconv.Atoi(said[0])
		if err != nil {
			return "", err
		}
		if l.reads && n == l.does+1 && a.Deaths > 1 {
			n-- // the second victim has popped one
		}
		return fmt.Sprintf("%d %s", n, done), l.sound()
	}
}

// held says whether the victim came to have its end.
func (l *line) held(a *crashlab.Actor) (string, error) {
	if slices.Contains(a.Said, "held") {
		return "held", l.sound()
	}
	return "free", l.sound()
}

// shut says whether the victim closed the ring. Both sides must say the same.
func (l *line) shut(a *crashlab.Actor) (string, error) {
	n := 0
	for _, word := range a.Said {
		if word == "closed" {
			n++
		}
	}
	switch n {
	case 0:
		return "open", l.sound()
	case 2:
		return "closed", ring.Check(l.object)
	}
	return "", fmt.Errorf("closed for one and not for the other: %q", a.Said)
}
