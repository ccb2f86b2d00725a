package crashcases

import (
	"errors"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// maker is about rings that come into being.
type maker struct {
	kind kind
	made medium
}

// makes makes the ring, unless somebody was quicker.
func (m *maker) makes(a *crashlab.Actor) (err error) {
	m.made, err = m.kind.create(a.Segment)
	if errors.Is(err, shm.ErrExist) {
		m.made, err = m.kind.open(a.Segment)
		return err
	}
	if err == nil {
		a.Say("made")
	}
	return err
}

// find finds the ring if it is there. While the victim is stopped nobody can make one: it may have the
// heap's lock, and New waits for that, whatever happens.
func (m *maker) find(a *crashlab.Actor) error {
	_, err := m.kind.open(a.Segment)
	if errors.Is(err, shm.ErrNotExist) {
		return nil
	}
	return err
}

func (m *maker) recover(a *crashlab.Actor) error {
	if a.Paused {
		return m.find(a)
	}
	return m.makes(a)
}

// check uses the ring, and says who made it.
func (m *maker) check(a *crashlab.Actor) (string, error) {
	o, err := find(a.Segment, name)
	if err != nil {
		return "", err
	}
	if err := errors.Join(use(a, m.made), ring.Check(o)); err != nil {
		return "", err
	}
	rings := 0
	if err := a.Segment.Engine().Objects(func(_ segment.Object, n string) bool {
		if n == name {
			rings++
		}
		return true
	}); err != nil {
		return "", err
	}
	if rings != 1 {
		return "", fmt.Errorf("%d rings of that name", rings)
	}
	if slices.Contains(a.Said, "made") {
		return "none", nil
	}
	return "made", nil
}

// use sends more through a new ring than it holds at a time.
func use(a *crashlab.Actor, m medium) error {
	w, err := m.writer()
	if err != nil {
		return err
	}
	r, err := m.reader()
	if err != nil {
		return err
	}
	for i := range uint64(3 * capacity) {
		sent := item{Number: i + 1, By: bySurvivor}
		if err := w.push(a.Ctx, sent); err != nil {
			return err
		}
		if i%2 == 1 { // they lie in the ring by twos
			for _, n := range []uint64{i, i + 1} {
				got, err := r.pop(a.Ctx)
				if err != nil || got.Number != n {
					return fmt.Errorf("item %d, and not %d: %w", got.Number, n, err)
				}
			}
		}
	}
	return nil
}

func makeCases() (all []crashlab.Case) {
	for _, c := range []struct {
		covers string
		kind   kind
	}{{"ring.NewSPSC", ofValues}, {"ring.NewBytes", ofRecords(nil)}, {"ring.NewBroadcast", ofNews}} {
		all = append(all, crashlab.Case{
			Name: c.covers, Covers: []string{c.covers}, States: []string{"none", "made"},
			Play: func() crashlab.Play {
				m := maker{kind: c.kind}
				// A ring that was made and has no name yet is lost with its maker: there may be three.
				return crashlab.Play{Room: 3 * c.kind.room, Victim: m.makes, Recover: m.recover, Check: m.check}
			},
		})
	}
	for _, c := range []struct {
		covers string
		kind   kind
	}{{"ring.OpenSPSC", ofValues}, {"ring.OpenBytes", ofRecords(nil)}, {"ring.OpenBroadcast", ofNews}} {
		all = append(all, crashlab.Case{
			Name: c.covers, Covers: []string{c.covers}, States: []string{"made"},
			Play: func() crashlab.Play {
				m := maker{kind: c.kind}
				return crashlab.Play{
					Room: c.kind.room, Setup: m.setup, Victim: m.find, Recover: m.makes, Check: m.check,
				}
			},
		})
	}
	return all
}

func (m *maker) setup(a *crashlab.Actor) error {
	_, err := m.kind.create(a.Segment)
	return err
}
