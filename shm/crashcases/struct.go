package crashcases

import (
	"errors"
	"fmt"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	"github.com/kindred-ipc/kindred/shm"
)

// plot is a struct of the user's own in a trial.
type plot struct{ Words [4]int64 }

func makePlot(a *crashlab.Actor) error {
	p, _, err := shm.NewStruct[plot](a.Segment, shm.Named("plot"))
	if err == nil {
		p.Words[3]++
	}
	return err
}

func findPlot(a *crashlab.Actor) error {
	_, ref, err := shm.OpenStruct[plot](a.Segment, "plot")
	if err != nil {
		return err
	}
	p, err := shm.StructFrom[plot](a.Segment, ref)
	if err == nil && (p.Words[0] != 0 || p.Words[3] > 1) {
		err = fmt.Errorf("a new struct holds %v", p.Words)
	}
	return err
}

// havePlot finds the struct, or makes it; one who is stopped may have the heap's lock, for which that waits.
func havePlot(a *crashlab.Actor) error {
	err := findPlot(a)
	if !errors.Is(err, shm.ErrNotExist) || a.Paused {
		return unless(err, shm.ErrNotExist)
	}
	if err := unless(makePlot(a), shm.ErrExist); err != nil {
		return err
	}
	return findPlot(a)
}

func unless(err, answer error) error {
	if errors.Is(err, answer) {
		return nil
	}
	return err
}

func structCases() []crashlab.Case {
	return []crashlab.Case{
		{
			Name: "shm.NewStruct", Covers: []string{"shm.NewStruct", "shm.OpenOrNewStruct"},
			Play: func() crashlab.Play { return crashlab.Play{Victim: makePlot, Recover: havePlot} },
		},
		{
			Name: "shm.OpenStruct", Covers: []string{"shm.OpenStruct", "shm.StructFrom"},
			Play: func() crashlab.Play {
				return crashlab.Play{Setup: makePlot, Victim: findPlot, Recover: findPlot}
			},
		},
	}
}
