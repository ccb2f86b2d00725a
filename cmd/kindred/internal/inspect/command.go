package inspect

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// Exit statuses of the commands.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// command is what the commands have in common: where segments lie, whose they may be, and how errors
// are told.
type command struct {
	name     string
	operand  string // what it takes beside flags; "": nothing
	synopsis string

	flags          *flag.FlagSet
	config         segment.Config
	segment        string // the operand
	stdout, stderr io.Writer
}

func newCommand(name, operand, synopsis string, stdout, stderr io.Writer) *command {
	c := &command{name: name, operand: operand, synopsis: synopsis, stdout: stdout, stderr: stderr}
	c.flags = flag.NewFlagSet("kindred "+name, flag.ContinueOnError)
	c.flags.SetOutput(stderr)
	c.flags.StringVar(&c.config.Dir, "dir", "", "directory of the segments (default "+segment.Directory(segment.Config{})+")")
	c.flags.IntVar(&c.config.Owner, "owner", -1, "uid whose segments are accepted beside one's own")
	c.flags.Usage = func() {
		usage := "usage: kindred " + name + " [flags]"
		if operand != "" {
			usage += " " + operand
		}
		fmt.Fprintf(stderr, "%s\n\n%s.\n\n", usage, synopsis)
		c.flags.PrintDefaults()
	}
	return c
}

// run parses args, in which flags may stand behind the operand too, does the work, and returns the
// exit status.
func (c *command) run(args []string, work func() error) int {
	switch err := c.parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case errors.Is(err, errReported):
		return exitUsage
	case err != nil:
		c.complain(err)
		return exitUsage
	}
	if err := work(); err != nil {
		c.complain(err)
		return exitFailed
	}
	return exitDone
}

// errReported is an error that the flag set has told already.
var errReported = errors.New("reported")

func (c *command) parse(args []string) error {
	var operands []string
	for {
		if err := c.flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			return err
		} else if err != nil {
			return errReported
		}
		if c.flags.NArg() == 0 {
			break
		}
		operands, args = append(operands, c.flags.Arg(0)), c.flags.Args()[1:]
	}
	want := 0
	if c.operand != "" {
		want = 1
	}
	switch {
	case len(operands) < want:
		return fmt.Errorf("%s is missing", c.operand)
	case len(operands) > want:
		return fmt.Errorf("unexpected argument %q", operands[want])
	case want == 1:
		c.segment = operands[0]
	}
	return nil
}

// complain tells each of the errors that err consists of on a line of its own.
func (c *command) complain(err error) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			c.complain(one)
		}
		return
	}
	fmt.Fprintf(c.stderr, "kindred %s: %s\n", c.name, shown(err.Error()))
}
