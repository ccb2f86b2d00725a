package corruption

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/kindred-ipc/kindred/proc"
)

// T is a *testing.T, or what listens in its place.
type T interface {
	Helper()
	Name() string
	TempDir() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// variable says how much is done, see the package's documentation.
const variable = "KINDRED_CORRUPTION"

// pristineFile is where in the world's directory the operator leaves the bytes as they were at first.
const pristineFile = "pristine"

// maxDeaths is how many operators may die, or hang, before a test gives up.
const maxDeaths = 5

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
	case strings.HasPrefix(first, "x"):
		times, err := strconv.ParseUint(first[1:], 10, 16)
		if o.Sample *= int(times); err != nil || o.Sample == 0 {
			return o, fmt.Errorf("%q is no multiple of the sample", first)
		}
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

// Asked is what the environment asks for, for tests that make their own trials: the seed, one trial (or
// -1 for none in particular), and whether it is all that there are.
func Asked() (seed uint64, one int, all bool, err error) {
	o, err := extentOf(os.Getenv(variable), 1)
	return o.Seed, o.One, o.Sample == 0, err
}

// Repeat is the command that repeats a trial of a test, as a format for its seed and its number.
func Repeat(t T) string {
	pkg := "."
	if info, ok := debug.ReadBuildInfo(); ok && info.Path != "" {
		pkg = strings.TrimSuffix(info.Path, ".test")
	}
	return variable + "=%d/%d go test -count=1 -run '^" + t.Name() + "$' " + pkg
}

// Run makes trials: as many as given, or as many as the environment asks for. Each operator that dies
// or hangs is a finding, and the trial behind it is the next one's first.
func (s *Scene) Run(t T, sample int) {
	t.Helper()
	o, err := extentOf(os.Getenv(variable), sample)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	o.Repeat = Repeat(t)
	for range maxDeaths {
		again := false
		if o.Skip, again = s.round(t, o); !again {
			return
		}
	}
	t.Fatalf("%d operators did not come to the end", maxDeaths)
}

// round has one operator make trials, and says whether another one is to go on, and from where.
func (s *Scene) round(t T, o orders) (skip int, again bool) {
	g := s.gather(t, o, 1)
	defer g.close(t)
	a := g.actors[0]
	err := a.watch(s.stuck)
	trials := a.journal.word(journalDone).Load()
	t.Logf("seed %d: %d trials, %d sides guarded, answers %v", o.Seed, trials, a.journal.word(journalGuards).Load(), a.journal.answers())
	var exit *proc.ExitError
	switch {
	case err == nil:
		if o.One < 0 && trials == 0 {
			t.Errorf("no trial changed anything")
		}
		return 0, false
	case errors.As(err, &exit) && exit.Text != "":
		t.Errorf("%s", exit.Text)
		return 0, false
	}
	k := int(a.journal.word(journalTrial).Load()) - 1
	t.Errorf("%v, in %q of trial %s", err, a.journal.op(), s.describe(a.orders, k))
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
