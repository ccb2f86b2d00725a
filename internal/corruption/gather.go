package corruption

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/kindred-ipc/kindred/proc"
)

// gathering is a world with its operators, seen from their parent.
type gathering struct {
	world  *world
	actors []*actor
}

// actor is one operator.
type actor struct {
	orders  orders
	process *proc.Process
	journal *journal
	stderr  bytes.Buffer
}

// maxGatherings is how often operators that are not guarded attach anew, and are started anew.
const maxGatherings = 20

// gather makes a world, and starts n operators that have followed the script undisturbed.
func (s *Scene) gather(t T, o orders, n int) *gathering {
	t.Helper()
	var last error
	for range maxGatherings {
		g, err := s.tryGather(t, o, n)
		if err == nil {
			return g
		}
		g.close(t)
		if last = err; !strings.Contains(err.Error(), unguarded) {
			t.Fatalf("%v", err)
		}
	}
	t.Fatalf("in vain %d times: the last: %v", maxGatherings, last)
	return nil
}

func (s *Scene) tryGather(t T, o orders, n int) (g *gathering, err error) {
	g = new(gathering)
	if o.Dir, err = os.MkdirTemp(t.TempDir(), "world"); err != nil {
		return g, err
	}
	if g.world, err = newWorld(context.Background(), o.Dir); err != nil {
		return g, err
	}
	for i := range n {
		o.Journal = filepath.Join(o.Dir, fmt.Sprint("journal-", i))
		o.Role = i
		a := &actor{orders: o}
		if a.journal, err = openJournal(o.Journal); err != nil {
			return g, err
		}
		g.actors = append(g.actors, a)
		if a.process, err = s.operator.Start(context.Background(), o, proc.Stderr(&a.stderr)); err != nil {
			return g, err
		}
		if err := a.ready(); err != nil {
			return g, err
		}
	}
	for _, a := range g.actors {
		a.journal.word(journalStage).Store(stageGo)
	}
	return g, nil
}

// ready waits until the operator has followed the script undisturbed.
func (a *actor) ready() error {
	for a.journal.word(journalStage).Load() != stageReady {
		select {
		case <-a.process.Done():
			return fmt.Errorf("before the first trial: %w\n%s", a.process.Wait(context.Background()), a.stderr.String())
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

func (g *gathering) close(t T) {
	for _, a := range g.actors {
		if a.process != nil {
			_ = a.process.Close()
		}
		if err := a.journal.close(); err != nil {
			t.Errorf("%v", err)
		}
	}
	if g.world != nil {
		if err := g.world.close(); err != nil {
			t.Errorf("%v", err)
		}
	}
}

var (
	errHangs = errors.New("the operator hangs")         // a trial did not end
	errLeft  = errors.New("the operator has just left") // in the middle of a trial
)

// watch returns when the operator has ended, and how. One that hangs is made to say where.
func (a *actor) watch(stuck time.Duration) error {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	seen, since := uint64(0), time.Now()
	for {
		select {
		case <-a.process.Done():
			err := a.process.Wait(context.Background())
			if err == nil && a.journal.word(journalStage).Load() != stageDone {
				err = errLeft
			}
			return err
		case <-look.C:
		}
		switch now := a.journal.word(journalTrial).Load(); {
		case now != seen:
			seen, since = now, time.Now()
		case time.Since(since) > stuck:
			_ = a.process.Signal(syscall.SIGQUIT)
			select {
			case <-a.process.Done():
			case <-time.After(10 * time.Second):
				_ = a.process.Close() // not even that
			}
			return errHangs
		}
	}
}
