package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/kindred-ipc/kindred/internal/cpus"
	"github.com/kindred-ipc/kindred/pool"
)

// Exit statuses of Command.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports a program that SIGINT ended
)

// Synopsis is the demo's line in the tool's list of commands.
const Synopsis = "count every Go file under GOROOT/src with worker processes, and kill one half-way"

// options are the command line of the demo.
type options struct {
	workers int
	dir     string
	kill    int
	json    bool
}

// usageError is a command line that asks for something impossible.
type usageError string

func (e usageError) Error() string { return string(e) }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// Command runs the demo with the arguments that follow its name, writes the report to stdout and the progress and
// errors to stderr, and returns the exit status: 0, 1 if anything went wrong or the two ways of counting disagree,
// 2 for a wrong command line, 130 if ctx ended first. It leaves no process behind.
func Command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return demo{hire: hirePool, signals: children{}}.command(ctx, args, stdout, stderr)
}

func (d demo) command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	if err == nil {
		err = d.run(ctx, o, stdout, stderr)
	}
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errParse):
		return exitUsage // the flag set has said why
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "kindred demo: interrupted")
		return exitInterrupted
	case errors.As(err, &usage), errors.Is(err, pool.ErrWorkers):
		fmt.Fprintf(stderr, "kindred demo: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "kindred demo: %v\n", err)
		return exitFailed
	}
}

var errParse = errors.New("unknown or malformed flag")

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("kindred demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.workers, "workers", cpus.Allowed(), "worker processes, and goroutines to compare them with")
	flags.StringVar(&o.dir, "dir", "", "directory whose Go files are counted (default GOROOT/src)")
	flags.IntVar(&o.kill, "kill", 1, "how many workers to kill on the way")
	flags.BoolVar(&o.json, "json", false, "print the report as one JSON object")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: kindred demo [flags]\n\n%s.\n\n", Synopsis)
		flags.PrintDefaults()
	}
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return o, err
	}
	if err != nil {
		return o, errors.Join(errParse, err)
	}
	switch {
	case flags.NArg() > 0:
		return o, usagef("unexpected argument %q", flags.Arg(0))
	case o.workers < 1:
		return o, usagef("-workers %d: at least one worker is needed", o.workers)
	case o.kill < 0:
		return o, usagef("-kill %d: a number of workers, 0 for none", o.kill)
	}
	return o, nil
}
