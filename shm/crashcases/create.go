package crashcases

import (
	"errors"
	"os"
	"slices"
	"strconv"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
)

// In these cases there is no segment before the operation, so the lab has none to watch. What it kills
// at are the system calls, and these are enough: the file has no name, and the memory no other user,
// until the link.

// options of a new segment: its table is small.
func options(a *crashlab.Actor) []shm.Option { return append(a.Options(), shm.Participants(slots)) }

// founding is a segment that comes into being.
type founding struct{}

// recover gets the segment, whoever makes it. Survivors say who they are, so that it is seen whether
// one of them had to make it.
func (founding) recover(a *crashlab.Actor) error {
	seg, err := shm.OpenOrCreate(a.Name, size, options(a)...)
	if err != nil {
		return err
	}
	a.Say(strconv.Itoa(os.Getpid()))
	return errors.Join(seg.Check(), seg.Close())
}

func (founding) check(a *crashlab.Actor) (state string, err error) {
	seg, err := shm.Open(a.Name, a.Options()...)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, seg.Close()) }()
	if err := errors.Join(seg.Check(), nothingBeside(a, a.Name)); err != nil {
		return "", err
	}
	if slices.Contains(a.Said, strconv.Itoa(seg.Engine().Info().Creator)) {
		return "nothing", nil
	}
	return "made", nil
}

func (founding) storm(a *crashlab.Actor) error {
	seg, err := shm.OpenOrCreate(a.Name, size, options(a)...)
	if err != nil {
		return err
	}
	if err := errors.Join(seg.Check(), seg.Close()); err != nil {
		return err
	}
	if err := shm.Unlink(a.Name, a.Options()...); err != nil && !errors.Is(err, shm.ErrNotExist) {
		return err
	}
	return nil
}

func createCases() []crashlab.Case {
	var f founding
	states := []string{"nothing", "made"}
	return []crashlab.Case{
		{
			Name: "shm.Create", Covers: []string{"shm.Create"}, States: states,
			Play: func() crashlab.Play {
				return crashlab.Play{
					Bare: true, Ready: warm,
					Victim: func(a *crashlab.Actor) error {
						_, err := shm.Create(a.Name, size, options(a)...)
						if errors.Is(err, shm.ErrExist) {
							return nil // survivors were quicker, while this one was stopped
						}
						return err
					},
					Recover: f.recover, Check: f.check, Storm: f.storm,
				}
			},
		},
		{
			Name: "shm.OpenOrCreate, there is none", Covers: []string{"shm.OpenOrCreate"}, States: states,
			Play: func() crashlab.Play {
				return crashlab.Play{
					Bare: true, Ready: warm,
					Victim: func(a *crashlab.Actor) error {
						_, err := shm.OpenOrCreate(a.Name, size, options(a)...)
						return err
					},
					Recover: f.recover, Check: f.check,
				}
			},
		},
		{
			Name: "shm.Anonymous", Covers: []string{"shm.Anonymous"},
			Play: func() crashlab.Play {
				anonymous := func(a *crashlab.Actor) error {
					seg, err := shm.Anonymous(size, shm.Participants(slots))
					if err != nil || a.N < 0 {
						return err // the victim's stays
					}
					return errors.Join(seg.Check(), seg.Close())
				}
				return crashlab.Play{
					Bare: true, Ready: warm, Victim: anonymous, Recover: anonymous,
					Check: func(a *crashlab.Actor) (string, error) { return "", nothingBeside(a) },
				}
			},
		},
	}
}
