package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kindred-ipc/kindred/bench/internal/sketch"
)

// What the repository says of figures is made here, from a saved session: the README's table, the plots in docs/plots, and
// docs/figures.json, the session itself as far as it is in these.

// publicRows are the rows of the README's table, and what it calls them.
var publicRows = []struct{ name, what string }{
	{"ring/spsc/pingpong", "round trip over two rings, two processes, both polling"},
	{"ring/spsc/stream/tight", "stream of `uint64`, one by one, capacity 64 Ki, as fast as it goes"},
	{"ring/spsc/stream/paced", "the same, 2 ns of work per item at the writer"},
	{"ring/mpmc/stream/tight", "stream of `uint64`, one by one, as fast as it goes, through a ring of any number of ends, one of each"},
	{"ring/bytes/4KiB", "records of 4 KiB through a ring of 4 MiB, copied in and read in place"},
	{"queue/stream/boost", "`Queue` of `uint64`, one producer and one consumer"},
	{"queue/stream/channel", "the same"},
	{"queue/stream/python", "the same"},
	{"queue/stream/structs", "`Queue` of structs with strings"},
	{"pipe/pingpong", "round trip of 64 bytes through a `Pipe`, both polling"},
	{"pipe/pingpong/os-pipe", "the same, as it comes"},
	{"conn/pingpong/go", "round trip of 64 bytes through a `net.Conn`"},
	{"conn/stream", "writes of 64 KiB into a `net.Conn` with room for 4 MiB"},
	{"sync/mutex/uncontended", "`Mutex` lock and unlock, uncontended"},
	{"sync/mutex/uncontended/go", "the same"},
	{"sync/mutex/contended", "the same, of two processes that want it all the time"},
	{"state/value/load", "`Load` of a `Value`"},
	{"state/map/million/get", "`Get` of a key of a `Map` of a million"},
	{"state/map/million/set", "`Set` of a key of it"},
	{"pool/call/empty", "`pool` call of an empty task, one idle worker that polls, median"},
	{"pool/call/empty/p99", "the same, 99th percentile"},
	{"pool/call/rpc", "`pool` call of an empty task, as it comes"},
	{"futex/pingpong/one-cpu", "round trip over two rings whose ends sleep, both on one CPU"},
}

// Between these lines of the README stands what is made.
const (
	tableBegin = "<!-- bench: made by `go run ./bench -from docs/figures.json -publish .` -->\n"
	tableEnd   = "<!-- bench: end -->\n"
)

// public are the results that are published.
func (s session) public() session {
	return s.only(func(name string) bool {
		return strings.HasPrefix(name, "scale/") || strings.HasPrefix(name, "harness/") || strings.Contains(name, "/latency/") ||
			strings.HasPrefix(name, "pool/call/") || slices.ContainsFunc(publicRows, func(r struct{ name, what string }) bool { return r.name == name })
	})
}

// table is the README's table. Each of its rows must have been measured.
func (s session) table() (string, error) {
	var b strings.Builder
	m := s.machine
	fmt.Fprintf(&b, "Measured by `go run ./bench` on %s, %d CPUs, %s, %s, on %s, with a load of %s before; each row\n"+
		"beside its reference in the same run, median of %d runs or of as many as fitted. The ratio is ours divided by the reference, the median\n"+
		"of the runs' ratios: below 1, ours is faster. A goal is the ratio that we want.\n\n",
		m.CPU, m.CPUs, m.System, m.Go, m.When.Format("2 January 2006"), m.Load, m.Runs)
	b.WriteString("| what | ours | reference | | ratio | goal |\n| --- | ---: | --- | ---: | ---: | --- |\n")
	var missing []error
	for _, row := range publicRows {
		i := slices.IndexFunc(s.results, func(c conditioned) bool { return c.Name == row.name })
		if i < 0 || s.results[i].Ratio == nil {
			missing = append(missing, fmt.Errorf("%s is not in the session, or its reference is not", row.name))
			continue
		}
		c := s.results[i]
		goal := ""
		switch {
		case c.Met != nil && *c.Met:
			goal = ratio3(*c.Goal) + ", met"
		case c.Met != nil:
			goal = "**" + ratio3(*c.Goal) + ", not yet**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n",
			row.what, inUnits(c.Value, c.Unit), *c.Reference, inUnits(*c.ReferenceValue, c.Unit), significant(*c.Ratio), goal)
	}
	return b.String(), errors.Join(missing...)
}

// inUnits is a figure with its unit; a time has the unit that suits it.
func inUnits(v float64, unit string) string {
	if unit == "ns" && v < 1e9 {
		switch d := time.Duration(v); {
		case d >= time.Millisecond:
			return digits(v/1e6) + " ms"
		case d >= 10*time.Microsecond:
			return digits(v/1e3) + " µs"
		}
	}
	return digits(v) + " " + unit
}

// plotFiles are the plots of docs/plots, by their names.
func (s session) plotFiles() (map[string]string, error) {
	var shown []conditioned
	for _, row := range publicRows {
		for _, c := range s.results {
			if c.Name == row.name && c.Ratio != nil {
				shown = append(shown, c)
			}
		}
	}
	var plots []sketch.Plot
	var names []string
	for _, p := range ratioPlots(shown) {
		plots, names = append(plots, p), append(names, "ratios.svg")
	}
	for _, p := range percentilePlots(s.results) {
		plots, names = append(plots, p), append(names, "latencies.svg")
	}
	for _, p := range seriesPlots(s.results) {
		plots, names = append(plots, p), append(names, "scale-"+strings.ReplaceAll(strings.ToLower(p.Title), " ", "-")+".svg")
	}
	drawn, err := drawnBy(plots)
	files := map[string]string{}
	for i, svg := range drawn {
		files[names[i]] = svg
	}
	return files, err
}

// within puts a table into the README's text.
func within(readme, table string) (string, error) {
	before, rest, ok := strings.Cut(readme, tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		return "", errors.New("README.md has no place for the table")
	}
	return before + tableBegin + table + tableEnd + after, nil
}

// publish writes all of it, below the repository's root.
func (s session) publish(root string) error {
	s = s.public()
	slices.SortStableFunc(s.results, func(a, b conditioned) int { return cmp.Compare(sectionOf(a.Name), sectionOf(b.Name)) })
	table, err := s.table()
	if err != nil {
		return err
	}
	path := filepath.Join(root, "README.md")
	readme, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := within(string(readme), table)
	if err != nil {
		return err
	}
	files, err := s.plotFiles()
	if err != nil {
		return err
	}
	plots := filepath.Join(root, "docs", "plots")
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	for name, svg := range files {
		if err := os.WriteFile(filepath.Join(plots, name), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	return s.save(filepath.Join(root, "docs", "figures.json"))
}
