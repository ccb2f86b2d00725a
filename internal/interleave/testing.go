//go:build interleave && (linux || darwin)

package interleave

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// States is how many states a scenario of a test may have. One that has more is not searched to its
// end, which is a failure: it should be smaller, or sampled.
const States = 250_000

// Exhaust visits every state of s, and fails if one is wrong, or if there are too many.
func Exhaust(t testing.TB, s Scenario) {
	t.Helper()
	result := look(t, s)
	if result.Failure != nil {
		t.Fatalf("%s: %v\n%s", s.Name, result, result.Failure)
	}
	if !result.Complete {
		t.Fatalf("%s: %v: not exhaustive", s.Name, result)
	}
}

// Loses searches s, which has something taken out, and fails if nothing is wrong.
func Loses(t testing.TB, s Scenario) {
	t.Helper()
	result := look(t, s)
	if result.Failure == nil {
		t.Fatalf("%s: %v: nothing is found", s.Name, result)
	}
	t.Logf("%s: found: %v", s.Name, result.Failure.Err)
}

func look(t testing.TB, s Scenario) Result {
	t.Helper()
	start := time.Now()
	result, err := Search(s, States)
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	t.Logf("%s: %v, %.1f s", s.Name, result, time.Since(start).Seconds())
	return result
}

// seedVariable holds the seed of the first run, to repeat a failure.
const seedVariable = "KINDRED_SEED"

// Try makes n runs of s at random, and fails if one is wrong.
func Try(t testing.TB, s Scenario, n int) {
	t.Helper()
	seed := rand.Uint64() >> 16
	if text := os.Getenv(seedVariable); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
		seed, n = given, 1
	}
	start := time.Now()
	result, err := Sample(s, seed, n)
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	if result.Failure != nil {
		t.Fatalf("%s: %v\n%s\nTo repeat it, set %s to that seed.", s.Name, result, result.Failure, seedVariable)
	}
	t.Logf("%s: seeds from %d: %v, %.1f s", s.Name, seed, result, time.Since(start).Seconds())
}
