package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// RmSynopsis and GcSynopsis are the lines of rm and gc in the tool's list of commands.
const (
	RmSynopsis = "remove a segment that no living process uses"
	GcSynopsis = "remove every segment whose participants are all dead"
)

// Rm removes a segment's name. While a process is attached it takes the flag -f, and those who are
// attached keep the segment then.
func Rm(_ context.Context, args []string, stdout, stderr io.Writer) int {
	c := newCommand("rm", "NAME", RmSynopsis, stdout, stderr)
	force := c.flags.Bool("f", false, "remove the name whoever is attached, and whatever the file is")
	return c.run(args, func() error {
		remove := segment.Remove
		if *force {
			remove = segment.Unlink
		}
		err := remove(c.segment, c.config)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("%s: %w", quoted(c.segment), err)
		switch {
		case *force:
			return err
		case errors.Is(err, segment.ErrInUse):
			return fmt.Errorf("%w by %s; -f removes the name all the same, and they keep the segment", err, c.attached())
		case errors.Is(err, segment.ErrNotSegment), errors.Is(err, segment.ErrVersion):
			return fmt.Errorf("%w; -f removes the file all the same", err)
		}
		return err
	})
}

// attached names those who are attached to the segment.
func (c *command) attached() string {
	var who []string
	err := observe(c.segment, c.config, func(s *segment.Segment) error {
		participants, err := s.Participants()
		for _, p := range participants {
			if p.Alive {
				who = append(who, p.String())
			}
		}
		return err
	})
	if err != nil || len(who) == 0 {
		return "a process that holds a lock on it"
	}
	return strings.Join(who, ", ")
}

// Gc removes the segments that nobody living is attached to.
func Gc(_ context.Context, args []string, stdout, stderr io.Writer) int {
	c := newCommand("gc", "", GcSynopsis, stdout, stderr)
	dry := c.flags.Bool("n", false, "only say what would be removed")
	return c.run(args, func() error {
		collect, verb := segment.Collect, "removed"
		if *dry {
			collect, verb = segment.Dead, "would remove"
		}
		names, err := collect(c.config)
		for _, name := range names {
			fmt.Fprintf(stdout, "%s %s\n", verb, segment.Printable(name))
		}
		return err
	})
}
