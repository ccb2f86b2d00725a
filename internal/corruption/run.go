package corruption

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kindred-ipc/kindred/proc"
)

// variable says how much is done, see the package's documentation.
const variable = "KINDRED_CORRUPTION"

// pristineFile is where in the world's directory the operator leaves the bytes as they were at first.
const pristineFile = "pristine"

// stuck is for how long a trial may be under way before its operator is taken to hang.
const stuck = 30 * time.Second

// maxRounds is how many operators there are at most, those that died, hung, or were not guarded included.
const maxRounds = 8

// extentOf is what the environment variable asks for.
func extentOf(value string, sample int) (o orders, err error) {
	o = orders{Seed: 1, One: -1, Sample: sample}
	seed := value
	switch first, second, both := strings.Cut(value, "/"); {
	case value == "":
		return o, nil
	case first == "all":
		o.Sample = 0
		if seed = second; !both {
			return o, nil
		}
	case both:
		seed = first
		if o.One, err = strconv.Atoi(second); err != nil {
			return o, err
		}
	}
	o.Seed, err = strconv.ParseUint(seed, 0, 64)
	return o, err
}

// repeat is the command that repeats a trial of a test, but for its seed and number.
func repeat(t *testing.T) string {
	pkg := "."
	if info, ok := debug.ReadBuildInfo(); ok && info.Path != "" {
		pkg = strings.TrimSuffix(info.Path, ".test")
	}
	return variable + "=%d/%d go test -count=1 -run '^" + t.Name() + "$' " + pkg
}

// Run makes trials: as many as given, or as many as the environment asks for. Each operator that dies
// or hangs is a finding, and the trial behind it is the next one's first.
func (s *Scene) Run(t *testing.T, sample int) {
	t.Helper()
	o, err := extentOf(os.Getenv(variable), sample)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	o.Repeat = repeat(t)
	again := true
	for rounds := 0; again; rounds++ {
		if rounds == maxRounds {
			t.Fatalf("%d operators did not come to the end", rounds)
		}
		o.Skip, again = s.round(t, o)
	}
}

// round has one operator make trials, and says whether another one is to go on, and from where.
func (s *Scene) round(t *testing.T, o orders) (skip int, again bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir, err := os.MkdirTemp(t.TempDir(), "world")
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWorld(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	o.Dir, o.Journal = dir, filepath.Join(dir, "journal")
	a, err := s.start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	err = a.watch(ctx)
	text := ""
	if exit := new(proc.ExitError); errors.As(err, &exit) {
		text = exit.Text
	}
	switch {
	case strings.HasPrefix(text, unguarded):
		t.Log(text)
		return o.Skip, true
	case a.journal.word(journalTrial).Load() == 0:
		t.Fatalf("before the first trial: %v\n%s", err, a.stderr.String())
	}
	trials := a.journal.word(journalDone).Load()
	t.Logf("seed %d: %d trials, %d sides guarded, answers %v", o.Seed, trials, a.journal.word(journalGuards).Load(), a.journal.answers())
	switch {
	case err == nil:
		if o.One < 0 && trials == 0 {
			t.Error("no trial changed anything")
		}
		return 0, false
	case text != "":
		t.Errorf("%s", text)
		return 0, false
	}
	k := int(a.journal.word(journalTrial).Load()) - 1
	t.Errorf("%v, in %q of trial %s", err, a.journal.op(), s.describe(o, k))
	t.Logf("%s", a.stderr.String())
	return k + 1, o.One < 0
}

// describe tells the k-th trial of an operator that cannot tell it any more.
func (s *Scene) describe(o orders, k int) string {
	content, err := os.ReadFile(filepath.Join(o.Dir, pristineFile))
	if err != nil {
		return err.Error()
	}
	op := &operator{scene: s, orders: o, pristine: content}
	if err := op.plans(); err != nil {
		return err.Error()
	}
	i := op.number(k)
	c, _ := op.plan.Change(i, content)
	return fmt.Sprintf("%d: %v\n\trepeat: %s", i, c, fmt.Sprintf(o.Repeat, o.Seed, i))
}

// actor is an operator, seen from its parent.
type actor struct {
	process *proc.Process
	journal *journal
	stderr  bytes.Buffer
}

func (s *Scene) start(ctx context.Context, o orders) (*actor, error) {
	a := new(actor)
	var err error
	if a.journal, err = openJournal(o.Journal); err != nil {
		return nil, err
	}
	a.process, err = s.operator.Start(ctx, o, proc.Stderr(&a.stderr))
	if err != nil {
		return nil, errors.Join(err, a.journal.close())
	}
	return a, nil
}

func (a *actor) close() {
	_ = a.process.Close()
	_ = a.journal.close()
}

// errHangs: a trial did not end.
var errHangs = errors.New("the operator hangs")

// watch returns when the operator has ended, and how. One that hangs is made to say where.
func (a *actor) watch(ctx context.Context) error {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	seen, since := uint64(0), time.Now()
	for {
		select {
		case <-a.process.Done():
			return a.process.Wait(ctx)
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
