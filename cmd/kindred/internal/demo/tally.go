package demo

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// totals are the sums over the files of a tally.
type totals struct {
	Files     int `json:"files"`
	Unparsed  int `json:"unparsed"`
	Lines     int `json:"lines"`
	Functions int `json:"functions"`
	Bytes     int `json:"bytes"`
}

func (t *totals) add(o totals) {
	t.Files += o.Files
	t.Unparsed += o.Unparsed
	t.Lines += o.Lines
	t.Functions += o.Functions
	t.Bytes += o.Bytes
}

// tally is what any number of files come to. Not safe for concurrent use.
type tally struct {
	totals
	identifiers map[string]int
}

func newTally() *tally { return &tally{identifiers: make(map[string]int)} }

// merge adds what o counted to t.
func (t *tally) merge(o *tally) {
	t.add(o.totals)
	for name, uses := range o.identifiers {
		t.identifiers[name] += uses
	}
}

// packed is a tally on its way from a worker to the parent. The names travel as one string, so that the parent
// allocates once for a file and not once for each of its identifiers.
type packed struct {
	Totals totals
	Names  string // one a line; no identifier holds a newline
	Uses   []int  // as many as there are lines in Names
	Pid    int    // the worker's
}

var errMalformed = errors.New("names and counts of a result do not match")

func (t *tally) pack() packed {
	p := packed{Totals: t.totals, Uses: make([]int, 0, len(t.identifiers))}
	var names strings.Builder
	for name, uses := range t.identifiers {
		names.WriteString(name)
		names.WriteByte('\n')
		p.Uses = append(p.Uses, uses)
	}
	p.Names = names.String()
	return p
}

// unpack adds what a worker counted to t.
func (t *tally) unpack(p packed) error {
	t.add(p.Totals)
	rest := p.Names
	for _, uses := range p.Uses {
		name, after, ok := strings.Cut(rest, "\n")
		if !ok {
			return errMalformed
		}
		rest = after
		if _, known := t.identifiers[name]; !known {
			// A key that is a part of p.Names would keep the whole of it alive.
			name = strings.Clone(name)
		}
		t.identifiers[name] += uses
	}
	if rest != "" {
		return errMalformed
	}
	return nil
}

// identifierCount is an identifier and at how many places it is written.
type identifierCount struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// top returns the n most frequent identifiers; of equally frequent ones the first by name.
func (t *tally) top(n int) []identifierCount {
	all := make([]identifierCount, 0, len(t.identifiers))
	for name, uses := range t.identifiers {
		all = append(all, identifierCount{name, uses})
	}
	slices.SortFunc(all, func(a, b identifierCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(n, len(all))]
}

// differences compares every total and every identifier of t and o, and returns one line for each that is not the
// same, identifiers by name. Empty: they agree.
func (t *tally) differences(o *tally) []string {
	var found []string
	compare := func(what string, a, b int) {
		if a != b {
			found = append(found, fmt.Sprintf("%s: %d by processes, %d by goroutines", what, a, b))
		}
	}
	compare("files", t.Files, o.Files)
	compare("unparsed files", t.Unparsed, o.Unparsed)
	compare("lines", t.Lines, o.Lines)
	compare("functions", t.Functions, o.Functions)
	compare("bytes", t.Bytes, o.Bytes)

	names := maps.Clone(t.identifiers)
	maps.Copy(names, o.identifiers)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		compare("identifier "+name, t.identifiers[name], o.identifiers[name])
	}
	return found
}
