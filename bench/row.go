package main

import (
	"cmp"
	"context"
	"slices"
)

// A Row is one thing that is measured: ours, beside a reference where there is one. Both sides get the same Job.
type Row struct {
	Name  string
	About string // one line for -list
	Goal  float64
	// Goal is the ratio that is to be reached, 0 where none is set.

	N, Warm  uint64 // operations a run, and before it, unmeasured
	Often    int    // how many short runs there are in place of each, so that both sides meet what changes within a second; 1 where 0
	Capacity uint64 // what a ring holds, in items or bytes; 0 where there is none
	Workers  uint64 // goroutines or threads of each side, where that is not one
	Pace     float64
	// Pace is the work that a producer does for each item, in nanoseconds; the runner turns it into steps of work.

	Place       Place
	Payload     string // what travels and is checked
	Concurrency string
	CapacityOf  string // the unit of Capacity: "items" where empty

	Point Point // where the row is one of a series

	Unit    string   // of the figure: "ns" where empty
	Figures []Figure // what a run measures, where that is more than one thing

	Ours      Side
	Meter     Meter // in the place of Ours, where there are Figures
	Reference Reference
}

// A Point is where a row stands in a series of rows that differ in one number, as a plot shows them.
type Point struct {
	Series string  // what the rows of the series have in common
	Axis   string  // what the number is
	At     float64 // the number
	Of     string  // the curve, where a series has more than one
}

// A Figure is one of several things that the runs of a row measure, and becomes a line of its own, whose name is the
// row's with the figure's behind it.
type Figure struct {
	Name string
	Unit string  // the row's where empty
	Goal float64 // as the row's
}

// A Side measures one run and returns the nanoseconds of one operation. It runs in a process of its own, which it may
// leave as it likes; a payload that is not what was sent is an error.
type Side func(ctx context.Context, j Job) (float64, error)

// Values are what one run measured, by the figures' names; a row without figures has the one name "".
type Values map[string]float64

// An Outcome is what one run of one side measured, and what it cost.
type Outcome struct {
	Values Values
	Usage  Usage
}

// A Meter is a Side that measures several figures.
type Meter func(ctx context.Context, j Job) (Values, error)

// A Reference is what ours is held against: a program below reference/, a Side or a Meter in Go, or a fixed limit. It may give a
// value for each of the row's figures, or one for all of them. Its zero is none.
type Reference struct {
	Name   string
	Source string // the program's file below reference/, whose extension says its language
	Kind   string // passed to the program as kind=
	Go     Side
	// GoMeter is in the place of Go, where the row has figures of which each is held against its own.
	GoMeter Meter
	Limits  Values // the reference's values, whatever the machine: for goals that are no ratios
}

// limit is the reference of a goal that is no ratio; the row's Goal is then 1.
func limit(value float64, what string) Reference {
	return Reference{Name: limitPrefix + what, Limits: Values{"": value}}
}

// limitPrefix begins the name of every limit.
const limitPrefix = "limit: "

func (r Reference) none() bool { return r.Name == "" }

// figures are what the row's runs measure, one or more.
func (r Row) figures() []Figure {
	unit := cmp.Or(r.Unit, "ns")
	if len(r.Figures) == 0 {
		return []Figure{{Unit: unit, Goal: r.Goal}}
	}
	all := slices.Clone(r.Figures)
	for i := range all {
		all[i].Unit = cmp.Or(all[i].Unit, unit)
	}
	return all
}

// names are those of the lines that the row becomes.
func (r Row) names() []string {
	var all []string
	for _, f := range r.figures() {
		all = append(all, f.of(r))
	}
	return all
}

func (f Figure) of(r Row) string {
	if f.Name == "" {
		return r.Name
	}
	return r.Name + "/" + f.Name
}

// A Job is what one run is told, the same for ours and the reference.
type Job struct {
	N, Warm  uint64
	Capacity uint64
	Steps    uint64 // of work for each item
	Workers  uint64 // goroutines or threads of each side
	A, B     int    // the CPUs of the two sides
	Confined bool   // each side as a whole, to its CPU

	// The word i of a payload is i+Salt where it is sent, and checked against i+PeerSalt where it is received. The
	// two differ only in tests that want to see the check fail.
	Salt, PeerSalt uint64
}

// rows returns every row there is, in the order in which they are measured and listed.
func rows() []Row {
	return slices.Concat(ringRows(), mpmcRows(), queueRows(), fileRows(), pipeRows(), connRows(), httpRows(), broadcastRows(), bytesRows(), createRows(), heapRows(), mutexRows(), contendedRows(), rwmutexRows(), semaphoreRows(), eventRows(), wakeRows(), startRows(),
		barrierRows(), crowdRows(), recoveryRows(), stateRows(), mapRows(), futexRows(), poolRows(), poolManyRows(), lifeRows(), loadRows(), insteadRows(), pythonRows(), scaleRows(), harnessRows(), fakes)
}

// fakes are the rows of the tests: here, since a test's child processes look their row up as well.
var fakes []Row

func find(name string) (Row, bool) {
	all := rows()
	i := slices.IndexFunc(all, func(r Row) bool { return r.Name == name })
	if i < 0 {
		return Row{}, false
	}
	return all[i], true
}
