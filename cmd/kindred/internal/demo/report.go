package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

const (
	topIdentifiers   = 10
	shownDifferences = 10
)

// seconds is a duration as JSON readers expect it.
type seconds float64

func (s seconds) String() string {
	d := time.Duration(float64(s) * float64(time.Second))
	if d < time.Second {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// pace is how long one way of doing the work took.
type pace struct {
	Seconds        seconds `json:"seconds"`
	TasksPerSecond float64 `json:"tasks_per_second"`
}

func newPace(files int, took time.Duration) pace {
	return pace{Seconds: seconds(took.Seconds()), TasksPerSecond: float64(files) / took.Seconds()}
}

// report is what the demo prints. Its totals and identifiers are those that the processes counted.
type report struct {
	Dir     string `json:"dir"`
	Workers int    `json:"workers"`
	totals
	Identifiers int               `json:"identifiers"` // different ones
	Top         []identifierCount `json:"top_identifiers"`
	Processes   pace              `json:"processes"`
	Goroutines  pace              `json:"goroutines"`
	Ratio       float64           `json:"ratio"` // time by processes, divided by time by goroutines
	Restarts    int               `json:"worker_restarts"`
	Kills       []death           `json:"kills"`
	Agree       bool              `json:"agree"`
	Differences int               `json:"differences"`
	First       []string          `json:"first_differences,omitempty"`
}

// outcome is one way's result and time.
type outcome struct {
	tally *tally
	took  time.Duration
}

func newReport(dir string, workers int, processes, goroutines outcome, deaths []death, restarts int) *report {
	differences := processes.tally.differences(goroutines.tally)
	return &report{
		Dir:         dir,
		Workers:     workers,
		totals:      processes.tally.totals,
		Identifiers: len(processes.tally.identifiers),
		Top:         processes.tally.top(topIdentifiers),
		Processes:   newPace(processes.tally.Files, processes.took),
		Goroutines:  newPace(goroutines.tally.Files, goroutines.took),
		Ratio:       processes.took.Seconds() / goroutines.took.Seconds(),
		Restarts:    restarts,
		Kills:       append([]death{}, deaths...), // an empty list in JSON, not null
		Agree:       len(differences) == 0,
		Differences: len(differences),
		First:       differences[:min(len(differences), shownDifferences)],
	}
}

func (r *report) writeJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func (r *report) writeText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 28, 0, 2, ' ', 0)
	row := func(label string, processes, goroutines any) {
		fmt.Fprintf(t, "%s\t%12v\t%12v\n", label, processes, goroutines)
	}
	same := func(label string, n int) { fmt.Fprintf(t, "%s\t%12d\n", label, n) }

	for i, d := range r.Kills {
		fmt.Fprintf(t, "kill %d of %d, with %d of %d results in:\n", i+1, len(r.Kills), d.Results, r.Files)
		fmt.Fprintf(t, "  worker %d (pid %d) was stopped, seen to hold the task %s, and killed\n", d.Worker, d.Pid, d.Task)
		fmt.Fprintf(t, "  the pool noticed after %v (%s), and replaced the worker by pid %d\n", d.Noticed, d.Cause, d.Replacement)
		fmt.Fprintf(t, "  the task was done again (attempt %d), by pid %d\n", d.Attempt, d.DoneBy)
	}
	if len(r.Kills) > 0 {
		fmt.Fprintln(t)
	}

	row(fmt.Sprintf("%d workers", r.Workers), "processes", "goroutines")
	row("time", r.Processes.Seconds, r.Goroutines.Seconds)
	row("tasks/s", fmt.Sprintf("%.0f", r.Processes.TasksPerSecond), fmt.Sprintf("%.0f", r.Goroutines.TasksPerSecond))
	row("ratio of times", fmt.Sprintf("%.2f", r.Ratio), "1.00")
	row("worker restarts", r.Restarts, "-")
	fmt.Fprintln(t)
	same("files", r.Files)
	same("unparsed files", r.Unparsed)
	same("lines", r.Lines)
	same("functions", r.Functions)
	same("bytes", r.Bytes)
	same("identifiers", r.Identifiers)
	fmt.Fprintln(t)
	fmt.Fprintln(t, "most frequent identifiers")
	for _, top := range r.Top {
		same("  "+top.Name, top.Count)
	}
	fmt.Fprintln(t)
	r.writeVerdict(t)
	return t.Flush()
}

func (r *report) writeVerdict(w io.Writer) {
	if r.Agree {
		fmt.Fprintf(w, "Processes and goroutines agree on every total and on the count of each of the %d identifiers.\n", r.Identifiers)
		return
	}
	fmt.Fprintf(w, "Processes and goroutines DISAGREE in %d counts:\n", r.Differences)
	for _, line := range r.First {
		fmt.Fprintf(w, "  %s\n", line)
	}
	if more := r.Differences - len(r.First); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}
