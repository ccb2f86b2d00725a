package main

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChoosePrefersAnotherCoreOfTheSamePackage(t *testing.T) {
	sibling, core, far := CPU{1, 0, 0}, CPU{2, 1, 0}, CPU{3, 0, 1}
	first := CPU{0, 0, 0}
	for _, c := range []struct {
		name string
		cpus []CPU
		want CPU
		text string
	}{
		{"all", []CPU{first, sibling, far, core}, core, "CPU 0 and 2, two cores"},
		{"packages", []CPU{first, sibling, far}, far, "CPU 0 and 3, two packages"},
		{"siblings", []CPU{first, sibling}, sibling, "CPU 0 and 1, siblings of one core"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b, ok := choose(c.cpus)
			require.True(t, ok)
			require.Equal(t, first, a)
			require.Equal(t, c.want, b)
			require.Equal(t, c.text, describe(a, b))
		})
	}
	a, b, ok := choose([]CPU{core})
	require.False(t, ok)
	require.Equal(t, core, a)
	require.Equal(t, core, b)
	_, _, ok = choose(nil)
	require.False(t, ok)
}

func TestARowOfTwoCPUsIsNotMeasuredOnOne(t *testing.T) {
	r := quickRunner(t)
	r.two = false
	_, err := r.measure(t.Context(), Row{Name: "x", Place: TwoCPUs})
	require.ErrorIs(t, err, errOneCPU)
}

// Only the measured thread is bound: others would collect garbage on the measured CPU, and a bound main thread would
// tell the library that this process has one CPU.
func TestPinnedBindsOneThreadAlone(t *testing.T) {
	if !canPin {
		t.Skip("no pinning on " + runtime.GOOS)
	}
	before, err := allowedCPUs()
	require.NoError(t, err)
	last := before[len(before)-1].ID
	for range 20 {
		inside, err := pinned(last, func() ([]int, error) {
			started := make(chan []int)
			go func() { started <- threadCPUs(t) }()
			assert.Len(t, <-started, len(before))
			return threadCPUs(t), nil
		})
		require.NoError(t, err)
		require.Equal(t, []int{last}, inside)
	}
	after, err := allowedCPUs()
	require.NoError(t, err)
	require.Equal(t, before, after)
}
