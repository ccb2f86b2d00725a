package linear

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	durationVariable = "KINDRED_LINEAR"
	seedVariable     = "KINDRED_LINEAR_SEED"
)

// What a run comes to, unless it is told how long to go on.
const (
	wanted   = 10              // histories that count
	least    = 3               // that will do when soon is over, on a machine that has other things to do
	soon     = 5 * time.Second // the wanted ones take about one
	patient  = time.Minute     // and then there is something wrong
	overlaps = 5               // operations that overlap, in a history that counts
)

// Verify runs trials until enough of them counted, and fails if one is not linearizable, or if there
// were not enough.
func (s Subject[A, S]) Verify(t *testing.T) {
	t.Helper()
	dir, begin, long := t.TempDir(), time.Now(), duration(t)
	var sum tally
	for seed := firstSeed(t); !sum.enough(time.Since(begin), long); seed++ {
		h, m := s.once(t, dir, seed)
		switch m.check(h) {
		case porcupine.Illegal:
			t.Fatalf("not linearizable (%s=%d): %s", seedVariable, seed, m.report(h))
		case porcupine.Unknown:
			t.Fatalf("%d operations could not be checked within %v (%s=%d)", len(h), enough, seedVariable, seed)
		}
		add(&sum, &m, h)
	}
	t.Log(sum.String())
	if sum.counted < least {
		t.Fatalf("only %d of %d trials counted", sum.counted, sum.trials)
	}
}

// enough reports whether to stop, after that time. Long is how long to go on, or 0.
func (sum *tally) enough(spent, long time.Duration) bool {
	switch {
	case long > 0:
		return spent > long
	case spent > soon:
		return sum.counted >= least || spent > patient
	}
	return sum.counted >= wanted
}

// Refute is for a structure that is broken: it runs trials until one is not linearizable, and fails if
// none is.
func (s Subject[A, S]) Refute(t *testing.T) {
	t.Helper()
	dir, begin := t.TempDir(), time.Now()
	var sum tally
	for seed := firstSeed(t); time.Since(begin) < patient; seed++ {
		h, m := s.once(t, dir, seed)
		if m.check(h) == porcupine.Illegal {
			t.Logf("found out in trial %d", sum.trials+1)
			return
		}
		add(&sum, &m, h)
	}
	t.Fatalf("nothing was found in what is broken: %s", &sum)
}

func (s Subject[A, S]) once(t *testing.T, dir string, seed uint64) (History, Model[S]) {
	t.Helper()
	h, m, err := s.trial(dir, seed)
	if err != nil {
		t.Fatalf("trial (%s=%d): %v", seedVariable, seed, err)
	}
	return h, m
}

// duration is how long to go on with each subject, 0 for until enough histories counted.
func duration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv(durationVariable)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("%s=%q is no duration", durationVariable, text)
	}
	return d
}

// firstSeed is that of the first trial; the following have the following.
func firstSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv(seedVariable)
	if text == "" {
		return rand.Uint64() >> 1
	}
	seed, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		t.Fatalf("%s=%q is no number", seedVariable, text)
	}
	return seed
}

// tally is what many trials came to.
type tally struct {
	trials, counted         int
	whole, apart            int // trials in which nothing was cut off, or too few overlapped
	operations, overlapping int // in those that counted
	cut                     map[string]*fates
}

// fates is what became of the operations of one kind that were cut off, as far as the others tell.
type fates struct{ happened, vanished, either int }

// add counts h, which is linearizable.
func add[S comparable](sum *tally, m *Model[S], h History) {
	sum.trials++
	cut, overlapping := h.cutOff(), h.overlapping()
	if len(cut) == 0 {
		sum.whole++
	}
	if overlapping < overlaps {
		sum.apart++
	}
	if len(cut) == 0 || overlapping < overlaps {
		return
	}
	sum.counted++
	sum.operations += len(h)
	sum.overlapping += overlapping
	if sum.cut == nil {
		sum.cut = map[string]*fates{}
	}
	for _, i := range cut {
		name := m.name(h[i].Kind)
		f := sum.cut[name]
		if f == nil {
			f = new(fates)
			sum.cut[name] = f
		}
		switch porcupine.Illegal {
		case m.supposed(h, i, Vanished):
			f.happened++
		case m.supposed(h, i, Happened):
			f.vanished++
		default:
			f.either++
		}
	}
}

func (sum *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d trials counted (in %d nothing was cut off, in %d too little overlapped), with %d operations, %d of which overlap others",
		sum.counted, sum.trials, sum.whole, sum.apart, sum.operations, sum.overlapping)
	for _, name := range slices.Sorted(maps.Keys(sum.cut)) {
		f := sum.cut[name]
		fmt.Fprintf(&b, "\n%12s cut off: %3d happened, %3d did not, %3d either way", name, f.happened, f.vanished, f.either)
	}
	return b.String()
}
