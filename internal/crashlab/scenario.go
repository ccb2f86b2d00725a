package crashlab

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Scenario is a case that is not stepped: a death, or what is one to others, which does not come from
// inside of an operation. The victim is ready and survivor 1 waits for it; then what How says happens.
type Scenario struct {
	// Case is what the processes do, and is named like no other.
	Case Case
	How  How
	// Memory is how many bytes the victim has of its own.
	Memory int
}

// How the victim comes to its end.
type How int

const (
	// Killed: the victim gets a SIGKILL.
	Killed How = iota
	// Executes: Victim calls Execute. Its process lives on, and its death is pushed to nobody.
	Executes
	// ChildKilled: Victim calls Fork, whose child is killed before it has executed anything. The
	// victim goes on, and nothing may be taken from it meanwhile.
	ChildKilled
	// ParentKilled: Victim calls Fork and is killed while its child has executed nothing yet. Survivor
	// 1 is told at once; others when the child goes on.
	ParentKilled
)

// WithScenarios are the cases with those of the scenarios, for Main.
func WithScenarios(cases []Case, scenarios []Scenario) []Case {
	all := slices.Clone(cases)
	for _, s := range scenarios {
		all = append(all, s.Case)
	}
	return all
}

// Outcome is what came of a Scenario.
type Outcome struct {
	Scenario    string   `json:"scenario"`
	Trials      int      `json:"trials"`
	Survived    int      `json:"survived"`
	ProofMillis float64  `json:"longest_proof_ms"`    // from the SIGKILL to the kernel's proof of the death
	WorstMillis float64  `json:"longest_recovery_ms"` // from the proof until all survivors were through
	LimitMillis float64  `json:"limit_ms"`            // for that
	Failures    []string `json:"failures,omitempty"`
}

// limit is how long survivors may take from the proof of the death.
func (s Scenario) limit() time.Duration {
	if s.How == Executes {
		// Nobody is told: those who wait come to see the proof within their 100 ms, and from then on
		// have what they have for every death.
		return 100*time.Millisecond + Promised
	}
	return Promised
}

// Add counts the trials of scenarios with those of cases. Of their times those count for which the
// promise is that of a death.
func (s Summary) Add(all []Outcome) Summary {
	for _, o := range all {
		s.Operations++
		s.Trials += o.Trials
		s.Survived += o.Survived
		if o.LimitMillis <= millis(Promised) {
			s.WorstMillis = max(s.WorstMillis, o.WorstMillis)
		}
	}
	return s
}

func printScenarios(w io.Writer, all []Outcome) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "scenario\ttrials\tsurvived\tSIGKILL to proof ms\tproof to recovery ms\tlimit ms\t")
	for _, o := range all {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f\t%.1f\t%.0f\t\n", o.Scenario, o.Trials, o.Survived, o.ProofMillis, o.WorstMillis, o.LimitMillis)
	}
	_ = t.Flush()
}

func scenarioTable(w io.Writer, all []Outcome) {
	if len(all) == 0 {
		return
	}
	fmt.Fprint(w, "\n| scenario | trials | survived | SIGKILL to proof | proof to recovery | limit |\n")
	fmt.Fprint(w, "| --- | ---: | ---: | ---: | ---: | ---: |\n")
	for _, o := range all {
		fmt.Fprintf(w, "| %s | %d | %d | %.1f ms | %.1f ms | %.0f ms |\n",
			o.Scenario, o.Trials, o.Survived, o.ProofMillis, o.WorstMillis, o.LimitMillis)
	}
}

// What this program does when it is executed by a case: values of childVariable.
const (
	imageEnds  = "ends"
	imageRests = "rests"
)
