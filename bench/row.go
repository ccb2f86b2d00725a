package main

import (
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
	Capacity uint64 // what a ring holds, in items or bytes; 0 where there is none
	Pace     float64
	// Pace is the work that a producer does for each item, in nanoseconds; the runner turns it into steps of work.

	Place       Place
	Payload     string // what travels and is checked
	Concurrency string
	CapacityOf  string // the unit of Capacity: "items" where empty

	Ours      Side
	Reference Reference
}

// A Side measures one run and returns the nanoseconds of one operation. It runs in a process of its own, which it may
// leave as it likes; a payload that is not what was sent is an error.
type Side func(ctx context.Context, j Job) (float64, error)

// A Reference is what ours is held against: a program below reference/, or a Side in Go. Its zero is none.
type Reference struct {
	Name   string
	Source string // the program's file below reference/, whose extension says its language
	Kind   string // passed to the program as kind=
	Go     Side
}

func (r Reference) none() bool { return r.Name == "" }

// A Job is what one run is told, the same for ours and the reference.
type Job struct {
	N, Warm  uint64
	Capacity uint64
	Steps    uint64 // of work for each item
	A, B     int    // the CPUs of the two sides

	// The word i of a payload is i+Salt where it is sent, and checked against i+PeerSalt where it is received. The
	// two differ only in tests that want to see the check fail.
	Salt, PeerSalt uint64
}

// rows returns every row there is, in the order in which they are measured and listed.
func rows() []Row {
	return slices.Concat(ringRows(), bytesRows(), mutexRows(), futexRows(), poolRows(), harnessRows(), fakes)
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
