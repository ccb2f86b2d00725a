package crashcases

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// table is the participants' table in a trial, as each process sees it. Each attach adds one to the
// generation of its slot, so the sum of all generations tells how many there were.
type table struct {
	before int // attaches beside those of the survivors, whatever the victim's operation comes to
	mine   int // attaches of this process in recover
}

// attach is one attach more, as every survivor must be able to.
func (t *table) attach(a *crashlab.Actor) error {
	seg, err := shm.Open(a.Name, a.Options()...)
	if err != nil {
		return err
	}
	t.mine++
	if a.N >= 0 && a.N < 2 {
		a.Say(fmt.Sprintf("%d %d", a.N, t.mine))
	}
	return seg.Close()
}

// extra is how many attaches there were but for those that are known: what the victim did. It takes
// every slot that is free, which must be all but those of the two survivors.
func (t *table) extra(a *crashlab.Actor) (n int, err error) {
	var all []*shm.Segment
	defer func() {
		for _, seg := range all {
			err = errors.Join(err, seg.Close())
		}
	}()
	for {
		seg, err := shm.Open(a.Name, a.Options()...)
		if errors.Is(err, shm.ErrFull) {
			break
		}
		if err != nil {
			return 0, err
		}
		all = append(all, seg)
	}
	if len(all) != slots-2 {
		return 0, fmt.Errorf("%d slots could be had, and %d should be free", len(all), slots-2)
	}
	n, err = generations(a.Segment)
	n -= slots + t.before
	return n - total(a.Said), err
}

// total adds up what survivors have counted, each of which says its number, and its own count so far.
func total(said []string) (n int) {
	counts := make(map[int]int)
	for _, word := range said {
		var who, count int
		if _, err := fmt.Sscanf(word, "%d %d", &who, &count); err == nil {
			counts[who] = max(counts[who], count)
		}
	}
	for _, count := range counts {
		n += count
	}
	return n
}

// generations adds up those of the slots, all of which are taken.
func generations(seg *shm.Segment) (sum int, err error) {
	all, err := seg.Engine().Participants()
	for _, p := range all {
		var slot, generation int
		text, _ := p.Owner.MarshalText()
		if _, err := fmt.Sscanf(string(text), "%d.%d", &slot, &generation); err != nil {
			return 0, err
		}
		sum += generation
	}
	return sum, err
}

// tell says, in the words of the case, whether the victim had attached.
func (t *table) tell(out, in string) func(a *crashlab.Actor) (string, error) {
	return func(a *crashlab.Actor) (string, error) {
		n, err := t.extra(a)
		most := 1
		if a.Deaths > 1 {
			n-- // the second was attached, and may have come as far as one attach more
			most = 2
		}
		switch {
		case err != nil:
			return "", err
		case a.Deaths > 2:
			return in, nil // who did how much in a storm is not known
		case n < 0 || n > most:
			return "", fmt.Errorf("%d attaches of the victim", n)
		case n == 0:
			return out, nil
		}
		return in, nil
	}
}

// alone is tell for a victim that was attached before, and does not attach.
func (t *table) alone(a *crashlab.Actor) (string, error) {
	n, err := t.extra(a)
	n-- // the victim's attach
	if most := 2 * (a.Deaths - 1); err == nil && (n < a.Deaths-1 || n > most) {
		err = fmt.Errorf("%d attaches more than there should have been", n)
	}
	return "", err
}

// turn brings this process's next attach to the slot of the first mortal: slots are given out in turn,
// and survivor 0, the mortal and survivor 1 have the first three.
func (t *table) turn(a *crashlab.Actor) error {
	for range slots - 3 {
		seg, err := shm.Open(a.Name, a.Options()...)
		if err != nil {
			return err
		}
		if err := seg.Close(); err != nil {
			return err
		}
	}
	return nil
}

// warm computes what a process computes once, when it first has to do with a segment: the victim's
// operation is then as long as it is for most attaches.
func warm(*crashlab.Actor) error {
	seg, err := shm.Anonymous(size, shm.Participants(1))
	if err != nil {
		return err
	}
	return seg.Close()
}

// slots is how many the table of a trial has.
const slots = 12

func attachCases() []crashlab.Case {
	states := []string{"out", "in"}
	open := func(a *crashlab.Actor) (err error) {
		a.Segment, err = shm.Open(a.Name, a.Options()...)
		return err
	}
	return []crashlab.Case{
		{
			Name: "shm.Open", Covers: []string{"shm.Open"}, States: states,
			Play: func() crashlab.Play {
				var t table
				return crashlab.Play{
					Detached: true, Ready: warm, Victim: open, Recover: t.attach, Storm: t.attach, Check: t.tell("out", "in"),
				}
			},
		},
		{
			Name: "shm.Open, with a name of its own", Covers: []string{"shm.As"}, States: states,
			Play: func() crashlab.Play {
				var t table
				return crashlab.Play{
					Detached: true, Ready: warm,
					Victim: func(a *crashlab.Actor) (err error) {
						a.Segment, err = shm.Open(a.Name, append(a.Options(), shm.As("victim"))...)
						return err
					},
					Recover: t.attach, Check: t.tell("out", "in"),
				}
			},
		},
		{
			Name: "shm.Open, in the slot of a dead one", Covers: []string{"shm.Open"}, States: states,
			Play: func() crashlab.Play {
				t := table{before: 1 + slots - 3}
				return crashlab.Play{
					Detached: true,
					Setup:    func(a *crashlab.Actor) error { return bury(a, attached) },
					Ready:    t.turn, Victim: open, Recover: t.attach, Check: t.tell("out", "in"),
				}
			},
		},
		{
			Name: "shm.OpenOrCreate, there is one", Covers: []string{"shm.OpenOrCreate"}, States: states,
			Play: func() crashlab.Play {
				var t table
				return crashlab.Play{
					Detached: true, Ready: warm,
					Victim: func(a *crashlab.Actor) (err error) {
						a.Segment, err = shm.OpenOrCreate(a.Name, size, a.Options()...)
						return err
					},
					Recover: t.attach, Check: t.tell("out", "in"),
				}
			},
		},
		{
			Name: "shm.FromFile", Covers: []string{"shm.FromFile"}, States: states,
			Play: func() crashlab.Play {
				var t table
				var f *os.File
				return crashlab.Play{
					Detached: true,
					Ready: func(a *crashlab.Actor) (err error) {
						if err = warm(a); err == nil {
							f, err = os.OpenFile(path(a), os.O_RDWR, 0)
						}
						return err
					},
					Victim: func(a *crashlab.Actor) (err error) {
						a.Segment, err = shm.FromFile(f)
						return err
					},
					Recover: t.attach, Check: t.tell("out", "in"),
				}
			},
		},
		{
			Name: "shm.Segment.File", Covers: []string{"shm.Segment.File"},
			Play: func() crashlab.Play {
				var t table
				return crashlab.Play{
					Victim: func(a *crashlab.Actor) error {
						_, err := a.Segment.File() // stays open: it must not keep the slot
						return err
					},
					Recover: t.attach, Check: t.alone,
				}
			},
		},
		{
			Name: "sweep of a dead lock holder", Covers: []string{"sync.Mutex.TryLock"},
			Play: sweepPlay,
		},
	}
}

// sweepPlay has the victim try for a lock whose holder is dead: it proves the death, sweeps, and takes
// the lock over. To survivors it is the mortal's death that they are told of, whether or not the victim
// is only stopped; that nothing is taken from the victim is seen by itself, when it unlocks.
func sweepPlay() crashlab.Play {
	t := table{before: 1}
	var mu *sync.Mutex
	repair := func(err error) error {
		if errors.Is(err, sync.ErrOwnerDied) {
			err = mu.MarkConsistent()
		}
		if err != nil {
			return err
		}
		return mu.Unlock()
	}
	return crashlab.Play{
		Setup: func(a *crashlab.Actor) error {
			if _, err := sync.NewMutex(a.Segment, shm.Named(door)); err != nil {
				return err
			}
			return bury(a, locking)
		},
		Open: func(a *crashlab.Actor) (err error) {
			mu, err = sync.OpenMutex(a.Segment, door)
			return err
		},
		Victim: func(*crashlab.Actor) error {
			ok, err := mu.TryLock()
			if !ok && err == nil {
				return nil // somebody else was quicker, while this one was stopped
			}
			return repair(err)
		},
		Recover: func(a *crashlab.Actor) error {
			if err := repair(mu.Lock(a.Ctx)); err != nil {
				return err
			}
			return t.attach(a)
		},
		Check: t.alone,
	}
}

func closeCases() []crashlab.Case {
	closing := func(a *crashlab.Actor) error { return a.Segment.Close() }
	return []crashlab.Case{
		{
			Name: "shm.Segment.Close", Covers: []string{"shm.Segment.Close"}, States: []string{"attached", "gone"},
			Play: func() crashlab.Play {
				var t table
				return crashlab.Play{
					Victim: closing, Recover: t.attach,
					Check: func(a *crashlab.Actor) (string, error) {
						// Nobody has come to the victim's slot again, before all slots are taken.
						all, err := a.Segment.Engine().Participants()
						if err != nil {
							return "", err
						}
						_, err = t.alone(a)
						if slices.ContainsFunc(all, func(p participant) bool { return !p.Alive }) {
							return "attached", err
						}
						return "gone", err
					},
				}
			},
		},
		{
			Name:   "shm.Segment.Close, holding a lock and a ring's end",
			Covers: []string{"shm.Segment.Close"},
			Play: func() crashlab.Play {
				var e estate
				return crashlab.Play{
					Setup: e.setup, Open: e.open, Ready: e.hold, Wait: e.tally(e.inherit), Victim: closing,
					Recover: e.tally(e.recover), Check: e.check,
				}
			},
		},
	}
}
