package inspect

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// LsSynopsis is the line of ls in the tool's list of commands.
const LsSynopsis = "list the named segments"

// row is one segment, or one file that is none, in the list.
type row struct {
	Name    string    `json:"name"`
	Size    int64     `json:"size"`
	Used    uint64    `json:"used"`
	Alive   int       `json:"alive"` // participants
	Dead    int       `json:"dead"`  // those that nobody has swept yet
	Created time.Time `json:"created"`
	Creator int       `json:"creator"`         // pid
	Error   string    `json:"error,omitempty"` // why it cannot be opened; nothing else is known then
}

// Ls lists the segments of a directory. What is no segment, or broken, is listed with the reason.
func Ls(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := newCommand("ls", "", LsSynopsis, stdout, stderr)
	asJSON := c.flags.Bool("json", false, "print a JSON array")
	return c.run(args, func() error {
		names, err := segment.Names(c.config)
		if err != nil {
			return err
		}
		rows := make([]row, 0, len(names))
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			rows = append(rows, rowOf(name, c.config))
		}
		if *asJSON {
			return writeJSON(stdout, rows)
		}
		if len(rows) == 0 {
			_, err := fmt.Fprintf(stdout, "no segments in %s\n", segment.Directory(c.config))
			return err
		}
		return list(rows, stdout)
	})
}

func rowOf(name string, config segment.Config) row {
	r := row{Name: name}
	err := observe(name, config, func(s *segment.Segment) error {
		participants, err := s.Participants()
		if err != nil {
			return err
		}
		for _, p := range participants {
			if p.Alive {
				r.Alive++
			} else {
				r.Dead++
			}
		}
		i := s.Info()
		r.Size, r.Used, r.Created, r.Creator = i.Size, i.Used, i.Created, i.Creator
		return nil
	})
	if err != nil {
		return row{Name: name, Error: err.Error()}
	}
	return r
}

func list(rows []row, stdout io.Writer) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSIZE\tUSED\tALIVE\tDEAD\tAGE\tCREATOR")
	for _, r := range rows {
		if r.Error != "" {
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%d\n",
			segment.Printable(r.Name), size(r.Size), size(r.Used), r.Alive, r.Dead, age(r.Created), r.Creator)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Error != "" {
			fmt.Fprintf(stdout, "cannot open %s\n", shown(r.Error))
		}
	}
	return nil
}
