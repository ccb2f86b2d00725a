package crashcases

import (
	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// bell is an Event in a trial, as each process sees it.
type bell struct {
	*sync.Event
	looked bool
}

func (b *bell) setup(a *crashlab.Actor) error {
	_, err := sync.NewEvent(a.Segment, shm.Named("bell"))
	return err
}

func (b *bell) open(a *crashlab.Actor) (err error) {
	b.Event, err = sync.OpenEvent(a.Segment, "bell")
	return err
}

func (b *bell) set(*crashlab.Actor) error { return b.Set() }

func (b *bell) clear(*crashlab.Actor) error { return b.Clear() }

func (b *bell) wait(a *crashlab.Actor) error { return b.Wait(a.Ctx) }

// look has survivor 0 say whether it is set, and set it only where it is not: the other one must go on
// either way.
func (b *bell) look(a *crashlab.Actor) error {
	if a.N == 0 && !b.looked {
		b.looked = true
		if b.IsSet() {
			a.Say("set")
		}
	}
	if !b.IsSet() && a.N != 1 {
		if err := b.Set(); err != nil {
			return err
		}
	}
	return b.Wait(a.Ctx)
}

// was is the state that survivor 0 found.
func (b *bell) was(a *crashlab.Actor) (string, error) {
	if len(a.Said) > 0 {
		return "set", nil
	}
	return "unset", nil
}

func eventCases() []crashlab.Case {
	set := []string{"unset", "set"}
	return []crashlab.Case{
		{
			Name: "sync.NewEvent", Covers: []string{"sync.NewEvent"}, States: []string{"absent", "there"},
			Play: func() crashlab.Play {
				return crashlab.Making(func(a *crashlab.Actor) error {
					_, err := sync.NewEvent(a.Segment, shm.Named("new"))
					return err
				}, func(a *crashlab.Actor) error {
					e, err := sync.OpenEvent(a.Segment, "new")
					if err != nil {
						return err
					}
					if err := e.Set(); err != nil {
						return err
					}
					return e.Wait(a.Ctx)
				})
			},
		},
		{
			Name: "sync.OpenEvent", Covers: []string{"sync.OpenEvent", "sync.EventFrom", "sync.EventAt"},
			Play: func() crashlab.Play {
				var b bell
				return crashlab.Play{
					Setup: b.setup, Open: b.open, Recover: b.look,
					Victim: func(a *crashlab.Actor) error {
						e, err := sync.OpenEvent(a.Segment, "bell")
						if err != nil {
							return err
						}
						_, err = sync.EventFrom(a.Segment, e.Ref())
						return err
					},
				}
			},
		},
		{
			Name: "sync.Event.Set", Covers: []string{"sync.Event.Set"}, States: set,
			Play: func() crashlab.Play {
				var b bell
				return crashlab.Play{
					Setup: b.setup, Open: b.open, Victim: b.set, Recover: b.look, Storm: b.look, Check: b.was,
				}
			},
		},
		{
			Name: "sync.Event.Set, a waiter", Covers: []string{"sync.Event.Set"}, States: set,
			Play: func() crashlab.Play {
				var b bell
				return crashlab.Play{
					Setup: b.setup, Open: b.open, Wait: b.wait, Victim: b.set, Recover: b.look, Check: b.was,
				}
			},
		},
		{
			Name: "sync.Event.Clear", Covers: []string{"sync.Event.Clear"}, States: []string{"set", "unset"},
			Play: func() crashlab.Play {
				var b bell
				return crashlab.Play{
					Setup: b.setup, Open: b.open, Ready: b.set, Victim: b.clear, Recover: b.look, Check: b.was,
				}
			},
		},
		{
			Name: "sync.Event.Wait, blocked", Covers: []string{"sync.Event.Wait"},
			Play: func() crashlab.Play {
				var b bell
				return crashlab.Play{
					Setup: b.setup, Open: b.open, Victim: b.wait, Unblock: b.set, Recover: b.look,
				}
			},
		},
	}
}
