//go:build !linux

package main

import (
	"runtime"
	"time"
)

const canPin = false

// allowedCPUs returns all CPUs: no other system that we know of has an affinity to ask for.
func allowedCPUs() ([]CPU, error) {
	var cpus []CPU
	for id := range runtime.NumCPU() {
		cpus = append(cpus, CPU{ID: id, Core: id})
	}
	return cpus, nil
}

// bind binds nothing.
func bind(int) (bool, error) { return true, nil }

// confine confines nothing.
func confine(int) error { return nil }

func cpuModel() string { return "unknown" }

func kernel() string { return "kernel unknown" }

func load() string { return "unknown" }

func mostResident() int64 { return 0 }

// monotonic is the clock that all processes share: here one that can be set.
func monotonic() time.Duration { return time.Duration(time.Now().UnixNano()) }
