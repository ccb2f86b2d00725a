package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A process that is taken off its CPU while it reads the clocks knows all the same how far they are apart.
func TestTheClocksAreComparedWithoutTheTimeThatAProcessWasOffItsCPU(t *testing.T) {
	const apart = 5 * time.Second
	var now time.Duration
	reads := 0
	tick := func() time.Duration { // of 48 readings, three without a pause are to be found
		if reads++; reads < 20 || reads > 25 {
			now += time.Duration(reads) * time.Millisecond
		}
		now += 10
		return now
	}
	got := ahead(func() time.Duration { return tick() + apart }, tick)
	require.InDelta(t, apart, got, 10)
}
