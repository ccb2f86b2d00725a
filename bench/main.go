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
	"runtime"
	"slices"

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
	only              *regexp.Regexp
	runs              int
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
	selected := slices.DeleteFunc(rows(), func(r Row) bool { return !slices.ContainsFunc(r.names(), o.only.MatchString) })
	if len(selected) == 0 {
		fmt.Fprintf(stderr, "bench: no row matches %q; -list shows all\n", o.only)
		return exitUsage
	}
	switch {
	case o.list:
		err = printList(stdout, selected)
	case o.from != "":
		err = o.show(stdout)
	default:
		err = o.measure(ctx, selected, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitFailed
	}
	return 0
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
	f.BoolVar(&o.quick, "quick", false, "a tenth of the operations, and three runs: a look, not a figure")
	f.BoolVar(&o.check, "check", false, "fail where a ratio is worse than its goal by more than the noise of the runs")
	f.StringVar(&o.save, "save", "", "write the results, with all runs, to this `file` as well")
	f.StringVar(&o.from, "from", "", "measure nothing, but show or check what was saved in this `file`")
	f.IntVar(&o.runs, "runs", 0, "how often each row is measured, 5 if it is 0; the figure is the median")
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
	case o.runs == 0 && o.quick:
		o.runs = 3
	case o.runs == 0:
		o.runs = 5
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	return o, nil
}

// measure measures the rows and prints them. A row that fails does not keep the others from being measured, but the
// error tells.
func (o options) measure(ctx context.Context, selected []Row, stdout, stderr io.Writer) error {
	r, err := newRunner(o.runs)
	if err != nil {
		return err
	}
	defer r.Close()
	if o.quick {
		r.divide = 10
	}
	if !o.json {
		fmt.Fprintf(stdout, "%s/%s, %s, %s, %s; load before the run %s\n%s\n"+
			"median of %d runs; ratio: of the medians, ours divided by the reference\n\n",
			runtime.GOOS, runtime.GOARCH, cpuModel(), describe(r.a, r.b), runtime.Version(), load(), r.refs.versions(ctx), o.runs)
	}
	var done []conditioned
	var failed []error
	for _, row := range selected {
		if ctx.Err() != nil {
			failed = append(failed, ctx.Err())
			break
		}
		results, err := r.measure(ctx, row)
		switch {
		case errors.Is(err, errOneCPU):
			fmt.Fprintf(stderr, "%s: not measured: %v\n", row.Name, err)
			continue
		case err != nil:
			fmt.Fprintf(stderr, "%s: %v\n", row.Name, err)
			failed = append(failed, fmt.Errorf("%s: %w", row.Name, err))
			continue
		}
		done = append(done, results...)
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
	if !o.json && len(done) > 0 {
		if err := printTable(stdout, done); err != nil {
			return err
		}
	}
	if o.save != "" {
		failed = append(failed, save(o.save, done))
	}
	if o.check {
		failed = append(failed, check(stdout, done))
	}
	return errors.Join(failed...)
}

// show prints, and checks, what was saved.
func (o options) show(stdout io.Writer) error {
	all, err := saved(o.from)
	if err != nil {
		return err
	}
	if !o.json {
		err = printTable(stdout, all)
	}
	for _, c := range all {
		if o.json && err == nil {
			err = printJSON(stdout, c.Result)
		}
	}
	if err == nil && o.check {
		err = check(stdout, all)
	}
	return err
}
