package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kindred-ipc/kindred/proc"
)

func main() {
	saidHello()
	proc.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// Exit statuses: a run that was void or failed is 1, a wrong command line 2.
const (
	exitFailed = 1
	exitUsage  = 2
)

type options struct {
	list, json, quick bool
	check             bool
	save, from        string
	compare, report   string
	publish           string
	only              *regexp.Regexp
	runs              int
	within            time.Duration
}

// run is the whole program but for its process: arguments in, output and exit status out.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitUsage
	}
	switch {
	case o.list:
		err = printList(stdout, o.selected())
	case o.from != "":
		err = o.show(stdout)
	default:
		err = o.measure(ctx, o.selected(), stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitFailed
	}
	return 0
}

// selected are the rows that the command line wants. Those that only say how a figure grows are no part of a look.
func (o options) selected() []Row {
	return slices.DeleteFunc(rows(), func(r Row) bool {
		return !slices.ContainsFunc(r.names(), o.only.MatchString) || o.quick && strings.HasPrefix(r.Name, "scale/")
	})
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: go run ./bench [flags]")
		f.SetOutput(stderr)
		f.PrintDefaults()
		f.SetOutput(io.Discard)
	}
	f.BoolVar(&o.list, "list", false, "print the rows' names, one a line, with what they are")
	f.BoolVar(&o.json, "json", false, "print one JSON object a line instead of the table")
	f.BoolVar(&o.quick, "quick", false, "a look, not a figure: two minutes at most, a tenth of the operations, and three runs or fewer")
	f.BoolVar(&o.check, "check", false, "fail where a ratio is worse than its goal by more than the noise of the runs")
	f.StringVar(&o.save, "save", "", "write the results, with all runs, to this `file` as well")
	f.StringVar(&o.from, "from", "", "measure nothing, but show or check what was saved in this `file`")
	f.StringVar(&o.compare, "compare", "", "show what has changed since what was saved in this `file`")
	f.StringVar(&o.report, "report", "", "write an HTML page with plots into this `directory`")
	f.StringVar(&o.publish, "publish", "", "write README.md's table, docs/plots, and docs/figures.json below this `directory`")
	f.IntVar(&o.runs, "runs", 0, "how often each row is measured, 5 if it is 0; the figure is the median")
	f.DurationVar(&o.within, "within", 0, "what does not fit in this `time` is cut: two minutes for a look, else no limit")
	only := f.String("only", "", "measure the rows whose name matches this regular `pattern`")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	switch {
	case o.runs < 0:
		return o, fmt.Errorf("-runs %d: at least 1", o.runs)
	case o.within < 0:
		return o, fmt.Errorf("-within %v: less than nothing", o.within)
	}
	if o.quick && o.within == 0 {
		o.within = lookTime
	}
	switch {
	case o.runs == 0 && o.quick:
		o.runs = 3
	case o.runs == 0:
		o.runs = 5
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	if o.from == "" && len(o.selected()) == 0 {
		return o, fmt.Errorf("no row matches %q; -list shows all", o.only)
	}
	return o, nil
}

// lookTime is what a look may take, less than two minutes by what it takes to end.
const lookTime = 110 * time.Second

// measure measures the rows and prints them. A row that fails does not keep the others from being measured, but the
// error tells.
func (o options) measure(ctx context.Context, selected []Row, stdout, stderr io.Writer) error {
	r, err := newRunner(o.runs)
	if err != nil {
		return err
	}
	defer r.Close()
	r.budget.rows = len(selected)
	if o.quick {
		r.divide = 10
	}
	if o.within > 0 {
		r.budget.end = time.Now().Add(o.within)
		// What takes longer to build has its row cut; a second look finds most of it built.
		building, cancel := context.WithTimeout(ctx, o.within/4)
		r.refs.readyAll(building, selected)
		cancel()
	}
	s := session{machine: r.machine(ctx)}
	if !o.json {
		fmt.Fprintf(stdout, "%s\n", s.machine.heading())
	}
	var failed []error
	for _, row := range selected {
		if ctx.Err() != nil {
			failed = append(failed, ctx.Err())
			break
		}
		results, err := r.measure(ctx, row)
		switch {
		case errors.Is(err, errNoTime):
			r.budget.cut(row.Name, 0, o.runs)
			continue
		case errors.Is(err, errOneCPU):
			fmt.Fprintf(stderr, "%s: not measured: %v\n", row.Name, err)
			continue
		case err != nil:
			fmt.Fprintf(stderr, "%s: %v\n", row.Name, err)
			failed = append(failed, fmt.Errorf("%s: %w", row.Name, err))
			continue
		}
		s.results = append(s.results, results...)
		r.budget.cut(row.Name, results[0].Runs, o.runs)
		for _, result := range results {
			if result.Unsteady != "" {
				fmt.Fprintf(stderr, "%s: %s\n", result.Name, result.Unsteady)
			}
			if !o.json {
				continue
			}
			if err := printJSON(stdout, result.Result); err != nil {
				return err
			}
		}
	}
	if !o.json && len(s.results) > 0 {
		if err := printTable(stdout, s.results); err != nil {
			return err
		}
	}
	r.budget.tell(stderr, o.runs)
	if o.save != "" {
		failed = append(failed, s.save(o.save))
	}
	return errors.Join(append(failed, o.judge(s, stdout))...)
}

// show prints, and judges, what was saved, as far as -only says so.
func (o options) show(stdout io.Writer) error {
	s, err := saved(o.from)
	if err != nil {
		return err
	}
	s = s.only(o.only.MatchString)
	if !o.json {
		fmt.Fprintf(stdout, "%s\n", s.machine.heading())
		err = printTable(stdout, s.results)
	}
	for _, c := range s.results {
		if o.json && err == nil {
			err = printJSON(stdout, c.Result)
		}
	}
	return errors.Join(err, o.judge(s, stdout))
}

// judge does with a session what the command line wants beyond showing it.
func (o options) judge(s session, stdout io.Writer) error {
	var failed []error
	if o.compare != "" {
		old, err := saved(o.compare)
		if err == nil {
			err = compare(stdout, old.only(o.only.MatchString), s)
		}
		failed = append(failed, err)
	}
	if o.report != "" {
		failed = append(failed, s.writeReport(o.report))
	}
	if o.publish != "" {
		failed = append(failed, s.publish(o.publish))
	}
	if o.check {
		failed = append(failed, check(stdout, s.results))
	}
	return errors.Join(failed...)
}
