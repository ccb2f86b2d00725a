package corruption

import (
	"context"
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
	stage := op.journal.word(journalStage)
	for stage.Store(stageReady); stage.Load() != stageGo; {
		time.Sleep(time.Millisecond)
	}
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
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir := t.TempDir()
	w, err := newWorld(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	o.Dir, o.Storm = dir, rounds
	var actors []*actor
	for i := range 2 {
		// One after the other: each follows the script undisturbed at first, and waits for the others.
		o.Journal = filepath.Join(dir, fmt.Sprint("journal ", i))
		a, err := s.start(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		defer a.close()
		if err := a.ready(); err != nil {
			t.Fatalf("%v\n%s", err, a.stderr.String())
		}
		actors = append(actors, a)
	}
	for _, a := range actors {
		a.journal.word(journalStage).Store(stageGo)
	}
	over := make(chan struct{})
	ended := make(chan error, len(actors))
	for _, a := range actors {
		go func() { ended <- a.watch(ctx) }()
	}
	last := make(chan []Change, 1)
	go func() { last <- s.overwrite(o, over) }()
	for range actors {
		err = errors.Join(err, <-ended)
	}
	close(over)
	changes := <-last
	for _, a := range actors {
		t.Logf("seed %d: %d rounds, answers %v", o.Seed, a.journal.word(journalDone).Load(), a.journal.answers())
		if err != nil {
			t.Logf("in %q\n%s", a.journal.op(), a.stderr.String())
		}
	}
	if err != nil {
		t.Errorf("%v; the last changes: %v", err, changes)
	}
}

// ready waits until the operator has followed the script undisturbed.
func (a *actor) ready() error {
	for a.journal.word(journalStage).Load() != stageReady {
		select {
		case <-a.process.Done():
			return errors.Join(errors.New("it ended at once"), a.process.Wait(context.Background()))
		case <-time.After(time.Millisecond):
		}
	}
	return nil
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
