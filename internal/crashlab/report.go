package crashlab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// Print writes the matrix as text.
func Print(w io.Writer, results []Result, scenarios []Outcome) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "operation\tinstructions\tstates\tpoints\ttrials\tsurvived\tsecond\tpaused\tstorms\tworst ms\tresidue\t")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d of %d\t%d\t%d\t%d\t%d\t%d\t%.1f\t%d\t\n", r.Operation, r.Instructions, r.States,
			r.Tried, r.Points, r.Trials, r.Survived, r.Second, r.Paused, r.Storms, r.WorstMillis, r.Residue)
	}
	_ = t.Flush()
	if len(scenarios) > 0 {
		fmt.Fprintln(w)
		printScenarios(w, scenarios)
	}
	s := Sum(results).Add(scenarios)
	fmt.Fprintf(w, "%d operations, %d trials, %d survived, longest time to recovery %.1f ms\n",
		s.Operations, s.Trials, s.Survived, s.WorstMillis)
}

// The marks in a page between which the table stands.
const (
	tableBegin = "<!-- crashlab: begin; go run ./cmd/crashlab -write writes this table -->\n"
	tableEnd   = "<!-- crashlab: end -->\n"
)

var errNoMarks = errors.New("the page has no place for the table")

// WriteTable puts the matrix into a page, in place of the one that is there.
func WriteTable(path string, results []Result, scenarios []Outcome) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, found := bytes.Cut(page, []byte(tableBegin))
	_, foot, ended := bytes.Cut(rest, []byte(tableEnd))
	if !found || !ended {
		return fmt.Errorf("%s: %w", path, errNoMarks)
	}
	var b bytes.Buffer
	b.Write(head)
	b.WriteString(tableBegin)
	table(&b, results, scenarios)
	b.WriteString(tableEnd)
	b.Write(foot)
	return os.WriteFile(path, b.Bytes(), 0o644)
}

func table(w io.Writer, results []Result, scenarios []Outcome) {
	fmt.Fprint(w, "| operation | instructions | distinct states | points tried | kills | survived | second kills "+
		"| stopped | storms | longest recovery | residue |\n")
	fmt.Fprint(w, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, r := range results {
		fmt.Fprintf(w, "| %s | %d | %d | %d of %d | %d | %d | %d | %d | %d | %.1f ms | %d B |\n", r.Operation, r.Instructions,
			r.States, r.Tried, r.Points, r.Trials, r.Survived, r.Second, r.Paused, r.Storms, r.WorstMillis, r.Residue)
	}
	scenarioTable(w, scenarios)
	s := Sum(results).Add(scenarios)
	fmt.Fprintf(w, "\n%d operations, %d trials, %d survived; longest time to recovery %.1f ms.\n",
		s.Operations, s.Trials, s.Survived, s.WorstMillis)
}
