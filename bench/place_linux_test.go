package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// threadCPUs returns the affinity of the calling thread.
func threadCPUs(t *testing.T) []int {
	var set unix.CPUSet
	assert.NoError(t, unix.SchedGetaffinity(0, &set))
	var ids []int
	for id := range len(set) * 64 {
		if set.IsSet(id) {
			ids = append(ids, id)
		}
	}
	return ids
}
