package crashcases

import (
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// duty is a Once in a trial, as each process sees it.
type duty struct{ *sync.Once }

func (d *duty) setup(a *crashlab.Actor) error {
	_, err := sync.NewOnce(a.Segment, shm.Named("duty"))
	return err
}

func (d *duty) open(a *crashlab.Actor) (err error) {
	d.Once, err = sync.OpenOnce(a.Segment, "duty")
	return err
}

func (d *duty) do(a *crashlab.Actor) error {
	return d.Do(a.Ctx, func() error { a.Say("did it"); return nil })
}

// done is by whom: in the end it is done, and not by two who lived.
func (d *duty) done(a *crashlab.Actor) (string, error) {
	switch n := len(a.Said); {
	case !d.Done():
		return "", fmt.Errorf("not done, though %d did it", n)
	case n > 1:
		return "", fmt.Errorf("done %d times", n)
	case n == 1:
		return "not done", nil
	default:
		return "done", nil
	}
}

func onceCases() []crashlab.Case {
	return []crashlab.Case{
		{
			Name: "sync.NewOnce", Covers: []string{"sync.NewOnce"}, States: []string{"absent", "there"},
			Play: func() crashlab.Play {
				return crashlab.Making(func(a *crashlab.Actor) error {
					_, err := sync.NewOnce(a.Segment, shm.Named("new"))
					return err
				}, func(a *crashlab.Actor) error {
					o, err := sync.OpenOnce(a.Segment, "new")
					if err != nil {
						return err
					}
					return o.Do(a.Ctx, func() error { return nil })
				})
			},
		},
		{
			Name: "sync.OpenOnce", Covers: []string{"sync.OpenOnce", "sync.OnceFrom", "sync.OnceAt"},
			Play: func() crashlab.Play {
				var d duty
				return crashlab.Play{
					Setup: d.setup, Open: d.open, Recover: d.do,
					Victim: func(a *crashlab.Actor) error {
						o, err := sync.OpenOnce(a.Segment, "duty")
						if err != nil {
							return err
						}
						_, err = sync.OnceFrom(a.Segment, o.Ref())
						return err
					},
				}
			},
		},
		{
			Name: "sync.Once.Do", Covers: []string{"sync.Once.Do"}, States: []string{"not done", "done"},
			Play: func() crashlab.Play {
				var d duty
				return crashlab.Play{Setup: d.setup, Open: d.open, Victim: d.do, Recover: d.do, Check: d.done}
			},
		},
	}
}
