// Kindred is the command line tool of the library: the demo, and commands that look at segments.
//
// It exits with status 0, with 1 if the command failed, and with 2 for a wrong command line.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/kindred-ipc/kindred/cmd/kindred/internal/demo"
	"github.com/kindred-ipc/kindred/cmd/kindred/internal/inspect"
	"github.com/kindred-ipc/kindred/proc"
)

// command is one subcommand. It returns the exit status.
type command struct {
	name     string
	synopsis string
	run      func(ctx context.Context, args []string, stdout, stderr io.Writer) int
}

var commands = []command{
	{"demo", demo.Synopsis, demo.Command},
	{"ls", inspect.LsSynopsis, inspect.Ls},
	{"show", inspect.ShowSynopsis, inspect.Show},
	{"check", inspect.CheckSynopsis, inspect.Check},
	{"rm", inspect.RmSynopsis, inspect.Rm},
	{"gc", inspect.GcSynopsis, inspect.Gc},
}

func main() {
	proc.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program as if it had asked for none.
	context.AfterFunc(ctx, stop)
	os.Exit(dispatch(ctx, commands, os.Args[1:], os.Stdout, os.Stderr))
}

// dispatch runs the command that args begins with, and returns its exit status.
func dispatch(ctx context.Context, commands []command, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(commands, stderr)
		return 2
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(commands, stdout)
		return 0
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, args[1:], stdout, stderr)
		}
	}
	fmt.Fprintf(stderr, "kindred: unknown command %q\n", args[0])
	usage(commands, stderr)
	return 2
}

func usage(commands []command, w io.Writer) {
	fmt.Fprint(w, "usage: kindred COMMAND [flags] [arguments]\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.synopsis)
	}
	fmt.Fprint(w, "\nkindred COMMAND -h tells the flags of a command.\n")
}
