package crashlab

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kindred-ipc/kindred/shm"
)

// verdict is what a trial came to.
type verdict struct {
	state    string
	said     []string
	recovery time.Duration // from the proof of death until the last survivor was through
	used     uint64        // bytes of the heap that blocks take, at the end
}

// tell has survivors recover.
func (s *stage) tell(who []*process, o order) error {
	for _, p := range who {
		if err := p.tell(o); err != nil {
			return err
		}
	}
	return nil
}

// gather waits until they are through, with what they waited for since before and with o, and returns
// the errors of those that are not.
func (s *stage) gather(who []*process, v *verdict, o order, proof time.Duration) error {
	var all []error
	for i, p := range who {
		todo := []order{o}
		if i == 1 && s.waits != nil {
			todo = []order{*s.waits, o}
			s.waits = nil
		}
		for _, o := range todo {
			a, err := p.hear(o, patienceWithChild)
			if err != nil {
				return err
			}
			v.said = append(v.said, a.Said...)
			v.recovery = max(v.recovery, a.Ended-max(proof, a.Began))
			if o.Paused && len(a.Deaths) > 0 {
				all = append(all, fmt.Errorf("%s took somebody for dead who is stopped: %s", p.role, a.Deaths[0]))
			}
			if a.Late && o.Paused {
				continue // it may have to wait for somebody who is stopped
			}
			if err := a.refused(p.role, o); err != nil {
				all = append(all, err)
			}
		}
	}
	return errors.Join(all...)
}

// judge holds what there is in the end against what must be.
func (s *stage) judge(v *verdict) error {
	a, err := s.lab.survivors[0].ask(order{Act: "check", Bound: bound, Said: v.said, Deaths: s.deaths, Stormy: s.stormy})
	if err != nil {
		return err
	}
	v.state = a.State
	if !s.stormy && len(s.c.States) > 0 && !slices.Contains(s.c.States, v.state) {
		return fmt.Errorf("state %q is none of %q", v.state, s.c.States)
	}
	if s.play.Bare {
		return nil
	}
	seg, err := shm.Open(s.name, shm.Dir(s.lab.dir), shm.Observe())
	if err != nil {
		return err
	}
	defer seg.Close()
	v.used = seg.Engine().Info().Used
	return seg.Check()
}

// aftermath has the survivors go on after the victim's death, and judges.
func (s *stage) aftermath(o order, told bool, proof time.Duration) (*verdict, error) {
	v := &verdict{}
	if !told {
		if err := s.tell(s.lab.survivors, o); err != nil {
			return v, err
		}
	}
	if err := s.gather(s.lab.survivors, v, o, proof); err != nil {
		return v, err
	}
	return v, s.judge(v)
}

// recoverOrder is what survivors are told after a death.
var recoverOrder = order{Act: "recover", Bound: bound}
