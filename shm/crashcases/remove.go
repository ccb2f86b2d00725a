package crashcases

import (
	"errors"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
)

// legacy is a second segment, beside that of the trial, which is to be removed.
type legacy struct {
	id    uint64 // of the segment that was there first
	done  bool   // this process has removed what there was
	heir  uint64 // of the one that survivor 1 then made
	raced bool   // it did so while the victim was stopped, who may not have looked yet
}

func (l *legacy) make(a *crashlab.Actor) error {
	seg, err := shm.Create(beside(a), size, options(a)...)
	if err != nil {
		return err
	}
	l.id = seg.ID()
	return seg.Close()
}

// look: the name is gone, or it leads to a segment that is whole.
func (l *legacy) look(a *crashlab.Actor) (uint64, error) {
	seg, err := shm.Open(beside(a), a.Options()...)
	switch {
	case errors.Is(err, shm.ErrNotExist), a.Paused && errors.Is(err, shm.ErrInUse):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return seg.ID(), errors.Join(seg.Check(), seg.Close())
}

// unlink has survivor 1 remove the name if it is still there, and make a new segment of that name, which
// the victim must not remove any more.
func (l *legacy) unlink(a *crashlab.Actor) error {
	if a.N != 1 {
		_, err := l.look(a)
		return err
	}
	if !l.done {
		err := shm.Unlink(beside(a), a.Options()...)
		switch {
		case a.Paused && errors.Is(err, shm.ErrInUse):
			return nil
		case err != nil && !errors.Is(err, shm.ErrNotExist):
			return err
		}
		l.done, l.raced = true, a.Paused
		if err == nil {
			a.Say("there")
		}
		return l.succeed(a)
	}
	id, err := l.look(a)
	if err == nil && id == 0 && l.raced {
		return l.succeed(a) // the victim removed the new one, whole as it was, when it went on
	}
	if err == nil && id != l.heir {
		err = fmt.Errorf("the name leads to segment %016x, and not to %016x, which was made last", id, l.heir)
	}
	return err
}

// succeed makes a new segment of the name.
func (l *legacy) succeed(a *crashlab.Actor) error {
	seg, err := shm.Create(beside(a), size, options(a)...)
	if err != nil {
		return err
	}
	l.heir = seg.ID()
	return seg.Close()
}

func (l *legacy) checkUnlinked(a *crashlab.Actor) (string, error) {
	if err := nothingBeside(a, a.Name, beside(a)); err != nil {
		return "", err
	}
	switch id, err := l.look(a); {
	case err != nil:
		return "", err
	case id == 0:
		return "", errors.New("the segment that was made behind the removal is gone")
	case id == l.id:
		return "", errors.New("the segment that was removed is there")
	}
	if slices.Contains(a.Said, "there") {
		return "there", nil
	}
	return "gone", nil
}

// collect has survivor 1 collect too. Who finds the dead segment says so.
func (l *legacy) collect(a *crashlab.Actor) error {
	if a.N != 1 {
		_, err := l.look(a)
		return err
	}
	names, err := shm.Collect(a.Options()...)
	if slices.Contains(names, a.Name) {
		return errors.New("a segment was collected that is in use")
	}
	if slices.Contains(names, beside(a)) {
		a.Say("there")
	}
	return err
}

func (l *legacy) checkCollected(a *crashlab.Actor) (string, error) {
	names, err := shm.Collect(a.Options()...)
	if err != nil {
		return "", err
	}
	finders := len(a.Said)
	if slices.Contains(names, beside(a)) {
		finders++
	}
	if err := nothingBeside(a, a.Name); err != nil {
		return "", err
	}
	switch finders {
	case 0:
		return "gone", nil
	case 1:
		return "there", nil
	}
	return "", fmt.Errorf("it was removed %d times", finders)
}

func removeCases() []crashlab.Case {
	states := []string{"there", "gone"}
	return []crashlab.Case{
		{
			Name: "shm.Unlink", Covers: []string{"shm.Unlink"}, States: states,
			Play: func() crashlab.Play {
				var l legacy
				return crashlab.Play{
					Setup: l.make,
					Victim: func(a *crashlab.Actor) error {
						err := shm.Unlink(beside(a), a.Options()...)
						if errors.Is(err, shm.ErrNotExist) {
							return nil // a survivor was quicker, while this one was stopped
						}
						return err
					},
					Recover: l.unlink, Check: l.checkUnlinked,
				}
			},
		},
		{
			Name: "shm.Collect, a dead segment beside a live one", Covers: []string{"shm.Collect"}, States: states,
			Play: func() crashlab.Play {
				var l legacy
				return crashlab.Play{
					Setup: l.make,
					Victim: func(a *crashlab.Actor) error {
						_, err := shm.Collect(a.Options()...)
						return err
					},
					Recover: l.collect, Check: l.checkCollected,
				}
			},
		},
	}
}
