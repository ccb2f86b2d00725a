package corruption

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	mmap "github.com/edsrzf/mmap-go"
)

// weather follows the script again and again while others overwrite what they like, whenever they like.
// The answers are wrong if no documentation names them, or no change could lead to them.
func (op *operator) weather(o orders) error {
	for k := range o.Storm {
		op.journal.word(journalTrial).Store(uint64(k) + 1)
		// Number 0 makes some waits long; there is no moment at which the operator itself would change
		// anything.
		t := &Trial{Seg: op.seg, Dir: o.Dir, op: op, change: Change{Index: k, Moment: -1}}
		op.scene.Script(t)
		if err := Word.judge(nil, t.answers); err != nil {
			t.wrong = append(t.wrong, err)
		}
		if len(t.wrong) > 0 {
			return fmt.Errorf("in round %d: %w", k, t.wrong[0])
		}
		op.journal.word(journalDone).Add(1)
	}
	return nil
}

// Storm has two operators follow the script, so many times each, while this process overwrites bytes
// under their hands: a byte or a group at a time, and now and then all with what stood there at first.
func (s *Scene) Storm(t *testing.T, rounds int) {
	t.Helper()
	o, err := extentOf(os.Getenv(variable), 1)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	if o.Sample == 0 {
		rounds *= 10
	}
	o.Storm = rounds
	g := s.gather(t, o, 2)
	defer g.close(t)
	over := make(chan struct{})
	ended := make(chan error, len(g.actors))
	for _, a := range g.actors {
		go func() { ended <- a.watch() }()
	}
	last := make(chan []Change, 1)
	go func() { last <- s.overwrite(g.actors[1].orders, over) }()
	for range g.actors {
		err = errors.Join(err, <-ended)
	}
	close(over)
	changes := <-last
	for _, a := range g.actors {
		t.Logf("seed %d: %d rounds, answers %v", o.Seed, a.journal.word(journalDone).Load(), a.journal.answers())
		if err != nil {
			t.Logf("in %q\n%s", a.journal.op(), a.stderr.String())
		}
	}
	if err != nil {
		t.Errorf("%v; the last changes: %v", err, changes)
	}
}

// overwrite is the hostile peer. It returns what it did last.
func (s *Scene) overwrite(o orders, over <-chan struct{}) (last []Change) {
	content, err := os.ReadFile(filepath.Join(o.Dir, pristineFile))
	if err != nil {
		return nil
	}
	op := &operator{scene: s, orders: o, pristine: content}
	if op.plans() != nil {
		return nil
	}
	f, err := os.OpenFile(path(o.Dir), os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	live, err := mmap.Map(f, mmap.RDWR, 0)
	if err != nil {
		return nil
	}
	defer live.Unmap()
	rnd := rand.New(rand.NewPCG(o.Seed, 99))
	for k := 0; ; k++ {
		select {
		case <-over:
			return last
		case <-time.After(time.Duration(rnd.IntN(200)) * time.Microsecond):
		}
		if rnd.IntN(4) == 0 {
			copy(live, content)
			continue
		}
		if c, real := op.plan.Change(rnd.IntN(op.plan.Trials()), content); real {
			c.Apply(live)
			if last = append(last, c); len(last) > 5 {
				last = slices.Delete(last, 0, 1)
			}
		}
	}
}
