package linear

import (
	"fmt"
	"math"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/anishathalye/porcupine"
)

// shortest is the shortest part of h, from its beginning, that is not linearizable, as h is not.
func (m *Model[S]) shortest(h History) History {
	var ends []int64
	for _, op := range h {
		if op.Return != math.MaxInt64 {
			ends = append(ends, op.Return)
		}
	}
	slices.Sort(ends)
	// What is not linearizable does not become so by what comes later.
	i := sort.Search(len(ends), func(i int) bool { return m.check(h.until(ends[i])) == porcupine.Illegal })
	if i == len(ends) {
		return h
	}
	return h.until(ends[i])
}

// shown is how many operations a report has.
const shown = 30

// report says in words where h, which is not linearizable, goes wrong, and draws it into a file.
func (m *Model[S]) report(h History) string {
	part := m.shortest(h)
	checker := m.checker()
	_, info := porcupine.CheckOperationsVerbose(checker, operations(part), enough)
	var b strings.Builder
	fmt.Fprintf(&b, "no order of the first %d operations explains what they returned; the last to return was\n", len(part))
	last, start := Op{}, part[0].Call
	for _, op := range part {
		if op.Return != math.MaxInt64 && op.Return >= last.Return {
			last = op
		}
	}
	fmt.Fprintf(&b, "  %s\n", m.line(last, start))
	order := longest(info)
	state := checker.Init()
	for _, op := range order {
		_, state = checker.Step(state, op.Input, nil)
	}
	fmt.Fprintf(&b, "%d of them in order lead to %s, and no further\n", len(order), checker.DescribeState(state))
	from := max(0, len(part)-shown)
	fmt.Fprintf(&b, "operations from number %d on, by their calls:\n", from)
	for _, op := range part[from:] {
		fmt.Fprintf(&b, "  %s\n", m.line(op, start))
	}
	for _, op := range part[:from] {
		if op.Return >= part[from].Call {
			fmt.Fprintf(&b, "  begun before: %s\n", m.line(op, start))
		}
	}
	fmt.Fprintf(&b, "drawn in %s", draw(checker, info))
	return b.String()
}

// longest is the longest order that porcupine found for a part of the operations.
func longest(info porcupine.LinearizationInfo) []porcupine.Operation {
	var best []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, order := range partition {
			if len(order) > len(best) {
				best = order
			}
		}
	}
	return best
}

// line is one line of a report.
func (m *Model[S]) line(op Op, start int64) string {
	return fmt.Sprintf("%-32s process %d client %2d: %s", op.times(start), op.Process, op.Client, m.describe(op))
}

func (m *Model[S]) describe(op Op) string {
	switch {
	case op.Kind == Death && op.Killed:
		return "killed"
	case op.Kind == Death:
		return "exited"
	case op.Fate != Returned:
		return fmt.Sprintf("%s(%#x, %#x), cut off", m.name(op.Kind), op.Args[0], op.Args[1])
	}
	return fmt.Sprintf("%s(%#x, %#x) -> %s, %#x, %#x", m.name(op.Kind), op.Args[0], op.Args[1], op.Code, op.Outs[0], op.Outs[1])
}

func (m *Model[S]) name(k Kind) string {
	if k >= Kind(len(m.Kinds)) {
		return fmt.Sprintf("kind %d", uint64(k))
	}
	return m.Kinds[k]
}

// draw makes a page of porcupine's, and returns its path, or why there is none.
func draw(checker porcupine.Model, info porcupine.LinearizationInfo) string {
	f, err := os.CreateTemp("", "kindred-linear-*.html")
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if err := porcupine.Visualize(checker, info, f); err != nil {
		return err.Error()
	}
	return f.Name()
}
