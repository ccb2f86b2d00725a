//go:build !linux

package main

import "runtime"

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
