// Package tour_test runs the programs of the tour and checks what they print.
package tour_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// programs are the tour, in its order: how each is called, and what it may print.
var programs = []struct {
	name  string
	args  []string
	check func(lines []string) error
}{
	{name: "queue", check: match(`\[\]interface \{\}\{42, interface \{\}\(nil\), "hello"\}`, `refused: .*chan.*`)},
	{name: "pipe", check: exactly("[42 <nil> hello from child]", "[42 <nil> hello from child2]", "EOF")},
	{name: "manager", check: manager},
	{name: "namespace", check: exactly("3 changed by the child", "[count text]")},
	{name: "rlock", check: exactly("depth 2", "depth 2", "depth 2", "total 6")},
	{name: "semaphore", check: exactly("6 were in, never more than 2 at a time: true")},
	{name: "bounded-semaphore", check: match("given back", "once too often: .*impossible number", "2 permits")},
	{name: "condition", check: exactly("ready", "a child saw 1", "a child saw 1", "a child saw 1")},
	{name: "event", check: exactly("context deadline exceeded", "set", "go", "go", "go")},
	{name: "barrier", check: exactly("first part", "first part", "first part", "second part", "second part", "second part")},
	{name: "value", check: exactly("4000")},
	{name: "array", check: exactly("[0 1 4 9 16 25 36 49 64 81]")},
	{name: "managed-queue", check: exactly("all done", "285")},
	{name: "lock", check: lock},
	{name: "pool", args: []string{"-nap", "100ms"}, check: pool},
	{name: "pool-survives", args: []string{"-nap", "100ms"}, check: poolSurvives},
}

func TestTheProgramsOfTheTourPrintWhatTheySay(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", dir, "./...").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), filepath.Join(dir, p.name), p.args...)
			out, err := cmd.CombinedOutput()
			if err == nil {
				err = p.check(strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"))
			}
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func exactly(want ...string) func([]string) error {
	return func(lines []string) error {
		if !slices.Equal(lines, want) {
			return fmt.Errorf("it should print\n%s", strings.Join(want, "\n"))
		}
		return nil
	}
}

// match has each line match a pattern.
func match(want ...string) func([]string) error {
	return func(lines []string) error {
		if len(lines) != len(want) {
			return fmt.Errorf("%d lines, and not %d", len(lines), len(want))
		}
		for i, line := range lines {
			if !regexp.MustCompile("^(?:" + want[i] + ")$").MatchString(line) {
				return fmt.Errorf("line %d is not %s", i+1, want[i])
			}
		}
		return nil
	}
}

func manager(lines []string) error {
	if len(lines) != 12 {
		return fmt.Errorf("%d lines, and not 12", len(lines))
	}
	for _, line := range lines[:10] {
		if !strings.HasPrefix(line, "[0 1 2 3 4 ") {
			return fmt.Errorf("%q is not the list as a child sees it", line)
		}
	}
	entries, ok := strings.CutPrefix(lines[10], "10 entries: map[")
	elements, ok2 := strings.CutPrefix(lines[11], "15 elements: [0 1 2 3 4 ")
	if !ok || !ok2 {
		return fmt.Errorf("10 entries and 15 elements should be there")
	}
	pids := strings.Fields(strings.TrimSuffix(elements, "]"))
	slices.Sort(pids)
	var want []string
	for entry := range strings.FieldsSeq(strings.TrimSuffix(entries, "]")) {
		key, value, _ := strings.Cut(entry, ":")
		if key != value {
			return fmt.Errorf("%s is under %s", value, key)
		}
		want = append(want, key)
	}
	slices.Sort(want)
	if !slices.Equal(pids, want) || len(slices.Compact(want)) != 10 {
		return fmt.Errorf("processes %v are in the list, and %v in the map", pids, want)
	}
	return nil
}

func lock(lines []string) error {
	var want []string
	for n := range 10 {
		want = append(want, fmt.Sprint("hello world ", n))
	}
	slices.Sort(lines)
	return exactly(want...)(lines)
}

// groups are what a pattern has found in the lines, and the lines that are left.
func groups(lines []string, pattern string) (found, rest []string) {
	re := regexp.MustCompile("^" + pattern + "$")
	for _, line := range lines {
		if m := re.FindStringSubmatch(line); m != nil {
			found = append(found, m[1])
		} else {
			rest = append(rest, line)
		}
	}
	return found, rest
}

func pool(lines []string) error {
	results, lines := groups(lines, `result (\d+) in process \d+`)
	slices.Sort(results)
	var want []string
	for n := 100; n < 110; n++ {
		want = append(want, strconv.Itoa(n), strconv.Itoa(n))
	}
	if !slices.Equal(results, want) {
		return fmt.Errorf("results are %v", results)
	}
	workers, lines := groups(lines, `in process (\d+)`)
	slices.Sort(workers)
	if n := len(slices.Compact(workers)); n > 10 {
		return fmt.Errorf("%d workers of two pools of five", n)
	}
	return match(
		"end", "joined before closed: pool: not closed", "at least 2 rounds: true less than 10: (true|false)", // on a busy machine
		"one after the other:", "at least 10 rounds: true",
	)(lines)
}

func poolSurvives(lines []string) error {
	killed, lines := groups(lines, `worker \d+ was killed at task (\d+)`)
	slices.Sort(killed)
	return exactly(
		"results: [100 101 102 103 104 105 106 107 108 109]",
		"run twice: ["+strings.Join(killed, " ")+"]",
	)(lines)
}
