// Command crashlab kills processes between the instructions of every operation, and shows what
// survives.
//
//	go run ./cmd/crashlab                          every distinct state of every operation, once
//	go run ./cmd/crashlab -case 'Mutex.*'          of those whose name the regular expression finds
//	go run ./cmd/crashlab -all                     every single instruction, for the night
//	go run ./cmd/crashlab -within 15m              as much as fits, from where -seed says
//	go run ./cmd/crashlab -write docs/CRASH.md     writes the table there
//	go run ./cmd/crashlab -json >>rows             keeps what came of it, for
//	go run ./cmd/crashlab -from rows -write ...    which shows and writes what several runs have kept, and tries nothing
//
// It exits with 1 if anything did not survive, or took longer than was promised.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/kindred-ipc/kindred/internal/crashlab"
	poolcases "github.com/kindred-ipc/kindred/pool/crashcases"
	"github.com/kindred-ipc/kindred/proc"
	proccases "github.com/kindred-ipc/kindred/proc/crashcases"
	queuecases "github.com/kindred-ipc/kindred/queue/crashcases"
	ringcases "github.com/kindred-ipc/kindred/ring/crashcases"
	shmcases "github.com/kindred-ipc/kindred/shm/crashcases"
	statecases "github.com/kindred-ipc/kindred/state/crashcases"
	synccases "github.com/kindred-ipc/kindred/sync/crashcases"
)

// cases are those of all packages, in the order in which the packages stand on each other.
func cases() []crashlab.Case {
	var all []crashlab.Case
	for _, some := range [][]crashlab.Case{
		shmcases.Cases(), synccases.Cases(), ringcases.Cases(), queuecases.Cases(), statecases.Cases(), proccases.Cases(), poolcases.Cases(),
	} {
		all = append(all, some...)
	}
	return all
}

func main() {
	proc.Main()
	all, scenarios := cases(), shmcases.Scenarios()
	crashlab.Main(crashlab.WithScenarios(all, scenarios))
	os.Exit(run(all, scenarios, os.Args[1:], os.Stdout, os.Stderr))
}

// flags are what the command line says.
type flags struct {
	crashlab.Options
	only   *regexp.Regexp
	repeat crashlab.Trial
	within time.Duration
	json   bool
	list   bool
	from   string
	write  string
}

func parse(args []string, errs io.Writer) (flags, error) {
	f := flags{Options: crashlab.Options{Second: -1, Pauses: 8, Storms: 5, Fails: 5}}
	set := flag.NewFlagSet("crashlab", flag.ContinueOnError)
	set.SetOutput(errs)
	only := set.String("case", "", "run the cases whose names this regular expression finds")
	set.BoolVar(&f.list, "list", false, "list the cases")
	set.BoolVar(&f.Every, "all", false, "kill at every single instruction")
	set.IntVar(&f.Sample, "sample", 0, "kill at that many points of a case, drawn at random; 0: at all of them")
	set.IntVar(&f.Second, "seconds", f.Second, "second kills per case, drawn at random; negative: all")
	set.IntVar(&f.Pauses, "pauses", f.Pauses, "steps per case at which the victim is stopped, and goes on")
	set.IntVar(&f.Storms, "storms", f.Storms, "rounds per case of several kills at any time")
	set.IntVar(&f.Fails, "fails", f.Fails, "give a case up after that many failures; 0: never")
	set.DurationVar(&f.within, "within", 0, "draw as many cases and trials as fit into that time, of less than 10 minutes none that is long; 0: no limit")
	set.Uint64Var(&f.Seed, "seed", 1, "of all that is drawn at random, and of the order of the cases with -within")
	set.StringVar(&f.repeat.At, "at", "", "one trial: kill after that many steps (Nz: asleep behind them); as a failure says")
	set.StringVar(&f.repeat.Second, "second", "", "and kill the one who recovers, after that many of its steps")
	set.BoolVar(&f.repeat.Early, "early", false, "the survivors are there before the death")
	set.DurationVar(&f.repeat.Pause, "pause", 0, "do not kill, but stop for that long")
	set.BoolVar(&f.json, "json", false, "one JSON object a case and line, then the sums")
	set.StringVar(&f.from, "from", "", "try nothing, but show what -json has written into that file")
	set.StringVar(&f.write, "write", "", "write the table into that file, between its marks")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if set.NArg() > 0 {
		return f, fmt.Errorf("crashlab: argument %q that nobody asked for", set.Arg(0))
	}
	re, err := regexp.Compile(*only)
	if err != nil {
		return f, fmt.Errorf("crashlab: -case: %w", err)
	}
	f.only = re
	return f, nil
}

// shortest is the limit from which on cases are drawn that are long, unless one is named alone.
const shortest = 10 * time.Minute

func run(all []crashlab.Case, scenarios []crashlab.Scenario, args []string, out, errs io.Writer) int {
	f, err := parse(args, errs)
	if err != nil {
		fmt.Fprintln(errs, err)
		return 2
	}
	var chosen []crashlab.Case
	for _, c := range all {
		if f.only.MatchString(c.Name) {
			chosen = append(chosen, c)
		}
	}
	if 0 < f.within && f.within < shortest && len(chosen) > 1 {
		chosen = slices.DeleteFunc(chosen, func(c crashlab.Case) bool { return c.Long })
	}
	scenarios = slices.DeleteFunc(slices.Clone(scenarios), func(s crashlab.Scenario) bool {
		return !f.only.MatchString(s.Case.Name) || f.repeat.At != ""
	})
	if len(chosen)+len(scenarios) == 0 {
		fmt.Fprintf(errs, "crashlab: no case has a name like %q\n", f.only)
		return 2
	}
	if f.list {
		for _, c := range chosen {
			fmt.Fprintln(out, c.Name)
		}
		for _, s := range scenarios {
			fmt.Fprintln(out, s.Case.Name)
		}
		return 0
	}
	results, outcomes, err := f.results(chosen, scenarios, errs)
	if err != nil {
		fmt.Fprintln(errs, "crashlab:", err)
		return 1
	}
	return f.report(results, outcomes, out, errs)
}

// results is what comes of the cases and scenarios, or what came of them before.
func (f *flags) results(chosen []crashlab.Case, scenarios []crashlab.Scenario, errs io.Writer) (results []crashlab.Result, outcomes []crashlab.Outcome, err error) {
	if f.from != "" {
		s, err := load(f.from)
		if err != nil {
			return nil, nil, err
		}
		results, outcomes = s.pick(chosen, scenarios, errs)
		return results, outcomes, nil
	}
	if results, err = f.play(chosen, errs); err == nil {
		outcomes, err = f.playScenarios(scenarios, errs)
	}
	return results, outcomes, err
}

// play runs the cases. With a limit, each gets an equal share of what time is left, and a second at least, in an
// order that the seed says, so that successive runs cover different parts; those that come too late get none.
func (f *flags) play(chosen []crashlab.Case, errs io.Writer) ([]crashlab.Result, error) {
	end := time.Now().Add(f.within)
	places := make([]int, len(chosen))
	for i := range places {
		places[i] = i
	}
	if f.within > 0 {
		places = rand.New(rand.NewPCG(f.Seed, 1)).Perm(len(chosen))
	}
	results := make([]crashlab.Result, len(chosen))
	for done, i := range places {
		o := f.Options
		if left := time.Until(end); f.within > 0 {
			if left <= 0 && done > 0 {
				fmt.Fprintf(errs, "%d of %d cases had no turn within %v\n", len(places)-done, len(places), f.within)
				break
			}
			o.Budget = max(left/time.Duration(len(places)-done), time.Second)
		}
		r, err := crashlab.Try(o, chosen[i], f.repeat)
		if err != nil {
			return nil, err
		}
		results[i] = r
		if !f.json {
			fmt.Fprintf(errs, "%3d/%d %s: %d trials, %d survived\n", done+1, len(places), r.Operation, r.Trials, r.Survived)
		}
		for _, failure := range r.Failures {
			fmt.Fprintln(errs, "FAILED:", failure)
		}
	}
	return slices.DeleteFunc(results, func(r crashlab.Result) bool { return r.Operation == "" }), nil
}

// playScenarios plays them all, which takes seconds.
func (f *flags) playScenarios(all []crashlab.Scenario, errs io.Writer) ([]crashlab.Outcome, error) {
	var outcomes []crashlab.Outcome
	for _, s := range all {
		o, err := crashlab.TryScenario(f.Options, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Case.Name, err)
		}
		for _, failure := range o.Failures {
			fmt.Fprintf(errs, "FAILED: %s\n  repeat: go run ./cmd/crashlab -case %q\n", failure, "^"+regexp.QuoteMeta(s.Case.Name)+"$")
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

func (f *flags) report(results []crashlab.Result, outcomes []crashlab.Outcome, out, errs io.Writer) int {
	sum := crashlab.Sum(results).Add(outcomes)
	if f.json {
		enc := json.NewEncoder(out)
		for _, r := range results {
			_ = enc.Encode(r)
		}
		for _, o := range outcomes {
			_ = enc.Encode(o)
		}
		_ = enc.Encode(sum)
	} else {
		crashlab.Print(out, results, outcomes)
	}
	if f.write != "" {
		if err := crashlab.WriteTable(f.write, results, outcomes); err != nil {
			fmt.Fprintln(errs, "crashlab:", err)
			return 1
		}
	}
	for _, r := range results {
		if len(r.Failures) > 0 {
			return 1
		}
	}
	for _, o := range outcomes {
		if len(o.Failures) > 0 {
			return 1
		}
	}
	if !sum.Sound() {
		return 1
	}
	return 0
}
