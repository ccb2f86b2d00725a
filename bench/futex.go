package main

import "github.com/kindred-ipc/kindred/ring"

// futexRows measure waits that end in the kernel: what it costs when nobody spins.
func futexRows() []Row {
	two := Row{
		Name:  "futex/pingpong/two-cpus",
		About: "round trip of a uint64 over two rings whose ends sleep at once, on a CPU each",
		N:     20_000, Warm: 2_000, Capacity: 64, Goal: 1.25,
		Place: TwoCPUs, Payload: "uint64, checked at both ends", Concurrency: "1 caller, 1 echo",
		Ours:      measurePingPong(ring.Park),
		Reference: Reference{Name: "C, raw futex, no spin", Source: "futex.c"},
	}
	one := two
	one.Name = "futex/pingpong/one-cpu"
	one.About = "the same, both processes confined to one CPU"
	one.Place = SameCPU
	one.N = 50_000
	return []Row{one, two}
}
