package crashcases

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
)

// A raw segment has no header that the lab could watch, and its name lies beside the segments' in the trial's
// directory. The lab kills at the system calls.

// bulk is how large raw segments are, and bulkName is what one is called: a file that the lab takes away.
const bulk = 8 << 10

func bulkName(a *crashlab.Actor) string { return a.Name + "-raw" }

// haveRaw gets the raw segment, whoever makes it, as large as it must be, and closes it.
func haveRaw(a *crashlab.Actor) error {
	r, err := shm.OpenOrCreateRaw(bulkName(a), bulk, a.Options()...)
	if err != nil {
		return err
	}
	if r.Size() != bulk {
		err = fmt.Errorf("a raw segment of %d bytes, and not %d", r.Size(), bulk)
	}
	return errors.Join(err, r.Close())
}

// dropRaw takes its name away, which others may have done.
func dropRaw(a *crashlab.Actor) error {
	return unless(shm.UnlinkRaw(bulkName(a), a.Options()...), shm.ErrNotExist)
}

// raws is what becomes of one, and is taken away at the end.
func raws(setup, victim func(*crashlab.Actor) error) func() crashlab.Play {
	return func() crashlab.Play {
		return crashlab.Play{
			Setup: setup, Victim: victim, Recover: haveRaw,
			Check: func(a *crashlab.Actor) (string, error) {
				return "", errors.Join(haveRaw(a), shm.UnlinkRaw(bulkName(a), a.Options()...), nothingBeside(a, a.Name))
			},
			Leave: dropRaw,
		}
	}
}

func rawCases() []crashlab.Case {
	return []crashlab.Case{
		{
			Name: "shm.CreateRaw", Covers: []string{"shm.CreateRaw", "shm.OpenOrCreateRaw"},
			Play: raws(nil, func(a *crashlab.Actor) error {
				_, err := shm.CreateRaw(bulkName(a), bulk, a.Options()...)
				return unless(err, shm.ErrExist) // survivors were quicker, while this one was stopped
			}),
		},
		{
			Name: "shm.OpenRaw", Covers: []string{"shm.OpenRaw", "shm.Raw.Close"},
			Play: raws(haveRaw, func(a *crashlab.Actor) error {
				r, err := shm.OpenRaw(bulkName(a), a.Options()...)
				if err != nil {
					return unless(err, shm.ErrNotExist)
				}
				return r.Close()
			}),
		},
		{
			Name: "shm.UnlinkRaw", Covers: []string{"shm.UnlinkRaw"},
			Play: raws(haveRaw, dropRaw),
		},
	}
}
