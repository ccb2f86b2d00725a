package corruption

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	mmap "github.com/edsrzf/mmap-go"
)

// weather follows the script again and again while others overwrite what they like, whenever they like.
// The answers are wrong if no documentation names them, or no change could lead to them.
func (op *operator) weather(o orders) error {
	script := op.scene.Peer
	if script == nil {
		script = op.scene.Script
	}
	stage := op.journal.word(journalStage)
	var keep any
	for k := 0; stage.Load() != stageOver; k++ {
		op.journal.word(journalTrial).Store(uint64(k) + 1)
		// There is no moment at which the operator itself would change anything.
		t := &Trial{Seg: op.seg, Dir: o.Dir, Role: o.Role, Keep: keep, op: op, change: Change{Index: k, Moment: -1}}
		script(t)
		keep = t.Keep
		for _, a := range t.answers {
			if a.Class == unknown {
				t.Fail("%v: %s", a, undocumented)
			}
		}
		if len(t.wrong) > 0 {
			return fmt.Errorf("in round %d: %w", k, t.wrong[0])
		}
		op.journal.word(journalDone).Add(1)
	}
	stage.Store(stageDone)
	return nil
}

// Storm has two operators follow the script, over and over, while this process overwrites bytes under
// their hands, so many times: a byte or a group at a time, and now and then all with what stood there
// at first.
func (s *Scene) Storm(t T, changes int) {
	t.Helper()
	o, err := extentOf(os.Getenv(variable), 1)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	if o.Sample == 0 {
		changes *= 3
	}
	o.Storm = true
	g := s.gather(t, o, 2)
	defer g.close(t)
	h, err := s.hostile(g.actors[1].orders)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer h.live.Unmap()
	ended := make(chan error, len(g.actors))
	for _, a := range g.actors {
		go func() { ended <- a.watch(s.stuck) }()
	}
	for range changes {
		if len(ended) > 0 {
			break
		}
		h.overwrite()
	}
	copy(h.live, h.content) // so that a call without a context comes to its end
	for _, a := range g.actors {
		a.journal.word(journalStage).Store(stageOver)
	}
	for range g.actors {
		err = errors.Join(err, <-ended)
	}
	for _, a := range g.actors {
		t.Logf("seed %d: %d changes, %d rounds, answers %v", o.Seed, changes, a.journal.word(journalDone).Load(), a.journal.answers())
		if err != nil {
			t.Logf("in %q\n%s", a.journal.op(), a.stderr.String())
		}
		if a.journal.word(journalDone).Load() == 0 {
			t.Errorf("an operator did nothing")
		}
	}
	if err != nil {
		t.Errorf("%v; the last changes: %v", err, h.last)
	}
}

// hostile is the peer that overwrites.
type hostile struct {
	plan    *Plan
	content []byte // at first
	live    mmap.MMap
	rnd     *rand.Rand
	last    []Change
}

func (s *Scene) hostile(o orders) (*hostile, error) {
	content, err := os.ReadFile(filepath.Join(o.Dir, pristineFile))
	if err != nil {
		return nil, err
	}
	op := &operator{scene: s, orders: o, pristine: content}
	if err := op.plans(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path(o.Dir), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	live, err := mmap.Map(f, mmap.RDWR, 0)
	return &hostile{plan: op.plan, content: content, live: live, rnd: rand.New(rand.NewPCG(o.Seed, 99))}, err
}

// overwrite makes one change, or puts everything back, and leaves the others some time with it.
func (h *hostile) overwrite() {
	if h.rnd.IntN(4) == 0 {
		copy(h.live, h.content)
	} else if c, real := h.plan.Change(h.rnd.IntN(h.plan.Trials()), h.content); real {
		c.Apply(h.live)
		if h.last = append(h.last, c); len(h.last) > 5 {
			h.last = slices.Delete(h.last, 0, 1)
		}
	}
	for begin, pause := time.Now(), time.Duration(h.rnd.IntN(400))*time.Microsecond; time.Since(begin) < pause; {
		runtime.Gosched()
	}
}
