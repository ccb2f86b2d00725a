//go:build unix

package futex

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answers is a kernel that gives the answers of a list, one a call.
type answers struct {
	t    *testing.T
	list []int32
	ns   []uint64 // the timeouts that it was asked for
	then func()   // called by each wait, if set
}

func (a *answers) next() int32 {
	require.NotEmpty(a.t, a.list, "one call too many")
	r := a.list[0]
	a.list = a.list[1:]
	return r
}

func (a *answers) door() door {
	return door{
		wait: func(_ *atomic.Uint32, _ uint32, ns uint64) int32 {
			a.ns = append(a.ns, ns)
			if a.then != nil {
				a.then()
			}
			return a.next()
		},
		wake: func(*atomic.Uint32, bool) int32 { return a.next() },
	}
}

func not(e syscall.Errno) int32 { return -int32(e) }

func times(n int, r int32) []int32 {
	list := make([]int32, n)
	for i := range list {
		list[i] = r
	}
	return list
}

func TestAnswersToAWait(t *testing.T) {
	for name, c := range map[string]struct {
		list []int32
		want Outcome
	}{
		"woken":                      {[]int32{0}, Woken},
		"woken, others sleep on":     {[]int32{3}, Woken},
		"a signal, then woken":       {[]int32{not(syscall.EINTR), 0}, Woken},
		"the page is away for once":  {[]int32{not(syscall.EFAULT), not(syscall.EFAULT), 0}, Woken},
		"the page is away for good":  {times(faultTries, not(syscall.EFAULT)), Woken},
		"too early by its own clock": {[]int32{not(syscall.ETIMEDOUT), 0}, Woken},
		"waited on in another way":   {[]int32{not(syscall.EDOM)}, Woken},
		"no memory":                  {[]int32{not(syscall.ENOMEM)}, Woken},
		"not understood":             {[]int32{not(syscall.EINVAL)}, Woken},
	} {
		for _, d := range []time.Duration{-1, time.Minute} {
			t.Run(name, func(t *testing.T) {
				a := &answers{t: t, list: c.list}
				require.Equal(t, c.want, a.door().sleep(new(atomic.Uint32), 0, d))
				require.Empty(t, a.list, "calls that were not made")
				for _, ns := range a.ns {
					if d < 0 {
						require.Zero(t, ns, "0 is what stands for no end")
					} else {
						require.Positive(t, ns, "0 would be no end")
						require.LessOrEqual(t, ns, uint64(d))
					}
				}
			})
		}
	}
}

func TestARefusedWaitIsNoBusyLoop(t *testing.T) {
	a := &answers{t: t, list: []int32{not(syscall.EDOM)}}
	start := time.Now()
	a.door().sleep(new(atomic.Uint32), 0, -1)
	require.GreaterOrEqual(t, time.Since(start), nap)
}

func TestAWaitLooksAtTheWordBeforeEachCall(t *testing.T) {
	for _, e := range []syscall.Errno{syscall.EINTR, syscall.EFAULT, syscall.ETIMEDOUT} {
		word := new(atomic.Uint32)
		a := &answers{t: t, list: []int32{not(e)}, then: func() { word.Store(1) }}
		require.Equal(t, Changed, a.door().sleep(word, 0, -1), e)
		require.Equal(t, Changed, a.door().sleep(word, 0, -1), "no call at all")
	}
}

func TestAWaitEndsByTheClockHoweverOftenItIsInterrupted(t *testing.T) {
	const d = 20 * time.Millisecond
	for _, e := range []syscall.Errno{syscall.EINTR, syscall.ETIMEDOUT} {
		calls := 0
		k := door{wait: func(_ *atomic.Uint32, _ uint32, ns uint64) int32 {
			calls++
			time.Sleep(time.Duration(ns) / 2)
			return not(e)
		}}
		start := time.Now()
		require.Equal(t, TimedOut, k.sleep(new(atomic.Uint32), 0, d))
		require.GreaterOrEqual(t, time.Since(start), d)
		require.Positive(t, calls)
	}
	require.Equal(t, TimedOut, door{}.sleep(new(atomic.Uint32), 0, 0), "no call at all")
}

func TestAnswersToAWake(t *testing.T) {
	none := not(syscall.ENOENT)
	for name, c := range map[string]struct {
		list []int32
		n    int
		want int
	}{
		"one":                       {[]int32{0}, 1, 1},
		"nobody":                    {[]int32{none}, 1, 0},
		"two of three":              {[]int32{0, 0, none}, 3, 2},
		"all":                       {[]int32{0}, All, 1},
		"all of none":               {[]int32{none}, All, 0},
		"interrupted":               {[]int32{not(syscall.EINTR), not(syscall.EFAULT), 0}, 1, 1},
		"the page is away for good": {times(faultTries, not(syscall.EFAULT)), 1, 0},
		"slept on in another way":   {[]int32{not(syscall.EDOM)}, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := &answers{t: t, list: c.list}
			require.Equal(t, c.want, a.door().rouse(new(atomic.Uint32), c.n))
			require.Empty(t, a.list, "calls that were not made")
		})
	}
}
