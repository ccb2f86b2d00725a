package crashlab

import (
	"fmt"
	"time"
)

// Options say how much is tried. The zero value tries every distinct state once.
type Options struct {
	Every  bool          // kill at every single instruction
	Sample int           // at most that many kills per case and kind of trial, drawn at random; 0: all
	Second int           // at most that many second kills per case, drawn at random; negative: all
	Pauses int           // at how many steps the victim is stopped and goes on
	Storms int           // rounds of several kills at random
	Budget time.Duration // after which a case draws no more trials; 0: none
	Seed   uint64        // of all that is random
	Fails  int           // failures after which a case is given up; 0: none
	Limit  time.Duration // how long survivors may take from the proof of a death; 0: Promised

	net bool // children keep the safety net
}

// Trial names one trial, as a failure does; the zero Trial names none.
type Trial struct {
	At     string        // steps of the victim, behind which it dies; with a z, asleep there
	Second string        // steps of the one who recovers
	Early  bool          // survivors are there before the death
	Pause  time.Duration // the victim is stopped for that long instead
}

// Result is what came of one case.
type Result struct {
	Operation    string   `json:"operation"`
	Instructions int      `json:"instructions"`
	States       int      `json:"states"` // distinct contents of the segment on the way
	Points       int      `json:"points"` // places where a death leaves another world behind
	Tried        int      `json:"tried"`  // of them
	Trials       int      `json:"trials"` // kills that fell inside the operation
	Survived     int      `json:"survived"`
	Drifted      int      `json:"drifted"` // of these, where the count of steps was not the first run's
	Second       int      `json:"second_kills"`
	Paused       int      `json:"paused"`
	Storms       int      `json:"storms"`
	WorstMillis  float64  `json:"worst_recovery_ms"`
	Residue      uint64   `json:"residue_bytes"` // of the heap, more than if nobody had died
	Late         int      `json:"late"`          // trials that took too long, and did not when they were repeated
	Failures     []string `json:"failures,omitempty"`
}

// Summary is what came of all of them.
type Summary struct {
	Operations  int     `json:"operations"`
	Trials      int     `json:"trials"`
	Survived    int     `json:"survived"`
	WorstMillis float64 `json:"worst_recovery_ms"`
}

// Promised is how long survivors may take, from the kernel's proof of a death.
const Promised = 100 * time.Millisecond

// Sum adds results up.
func Sum(results []Result) Summary {
	var s Summary
	for _, r := range results {
		s.Operations++
		s.Trials += r.Trials
		s.Survived += r.Survived
		s.WorstMillis = max(s.WorstMillis, r.WorstMillis)
	}
	return s
}

// Sound reports whether everything survived in time.
func (s Summary) Sound() bool {
	return s.Operations > 0 && s.Trials > 0 && s.Survived == s.Trials && s.WorstMillis <= millis(Promised)
}

func millis(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

// fail notes a failure, the first few in full.
func (r *Result) fail(format string, args ...any) {
	if len(r.Failures) < 5 {
		r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
	}
}

// Try makes a lab, runs one case in it, or one trial of that case, and takes the lab down.
func Try(o Options, c Case, one Trial) (Result, error) {
	lab, err := New(o)
	if err != nil {
		return Result{}, err
	}
	defer lab.Close()
	if one.At != "" {
		return lab.Repeat(c, one)
	}
	return lab.Run(c)
}
