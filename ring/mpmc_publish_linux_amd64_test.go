//go:build !race

package ring_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"

	"github.com/kindred-ipc/kindred/ring"
)

// Who pushes writes, publishes the sequence, the tail, and that it has the lane no more, and then looks at the mark of
// the event. Who has a bias calls nothing between the stores to its own mark, or its stack might move. Who pops
// copies, swaps the head, publishes its take, and then looks at the mark.
var mpmcShapes = map[string][]any{
	"[uint64]":                           mpmcMethods[uint64](),
	"[struct { A uint32; B uint64 }]":    mpmcMethods[sixteen](),
	"[struct { A uint16; B [4]uint64 }]": mpmcMethods[forty](),
	"[[3]uint8]":                         mpmcMethods[[3]byte](),
	"[float32]":                          mpmcMethods[float32](),
}

func mpmcMethods[T any]() []any {
	return []any{(*ring.MPMC[T]).Push, (*ring.MPMC[T]).Pop}
}

// mpmcSites are the methods that publish, nil for those that do for many values what the others do for one, and
// those that only unlock.
var mpmcSites = map[string]func(*routine, *testing.T){
	"MPMC.Push":         (*routine).requireMPMCBiasedPush,
	"MPMC.pushUnbiased": (*routine).requireMPMCBiasedPush,
	"MPMC.pushLocked":   (*routine).requireMPMCPush,
	"MPMC.Pop":          (*routine).requireMPMCBiasedPop,
	"MPMC.popUnbiased":  (*routine).requireMPMCBiasedPop,
	"MPMC.popSwapped":   (*routine).requireMPMCPop,
	"MPMC.adopt":        nil,
	"MPMC.stretch":      nil,
	"MPMC.fill":         nil,
	"MPMC.takeFrom":     nil,
	"MPMC.borrow":       nil,
	"MPMC.push":         nil,
	"MPMC.arrive":       nil,
	"MPMC.idle":         nil,
	"MPMC.unlock":       nil,
}

func TestAnMPMCRingKeepsItsOrderWithPlainStores(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Log("counters of coverage are stores, too: not looked at")
		return
	}
	seen := 0
	for _, r := range routines(t, func(name string) bool { return strings.Contains(name, "/kindred/ring.(*MPMC") }) {
		name, shape := r.method()
		if mpmcSites[name] == nil || mpmcShapes[shape] == nil {
			continue
		}
		seen++
		t.Run(name+shape, func(t *testing.T) {
			require.NoError(t, r.err)
			mpmcSites[name](&r, t)
		})
	}
	require.Equal(t, 6*len(mpmcShapes), seen)
}

func (r *routine) requireMPMCPush(t *testing.T) {
	moves := r.payload(t, "mpmc_push.go", "s.value = v")
	commits := r.publishedBehind(t, moves[len(moves)-1], 3)
	for _, m := range moves {
		require.True(t, r.reach(m, never)[commits[0]], "%s leads to no commit", r.show(m))
		require.False(t, r.reach(commits[0], never)[m], "%s: behind it the payload, %s", r.show(commits[0]), r.show(m))
	}
	r.requireMark(t, commits)
}

func (r *routine) requireMPMCBiasedPush(t *testing.T) {
	r.requireMPMCPush(t)
	moves := r.payload(t, "mpmc_push.go", "s.value = v")
	last := moves[len(moves)-1]
	ends := r.publishedBehind(t, last, 3)
	var announced []int
	restored := make(map[int]bool) // without a push
	for _, i := range r.all(func(in *instruction) bool {
		_, ok := in.stores()
		return ok && in.of("futex.Publish")
	}) {
		if r.reach(i, never)[last] {
			announced = append(announced, i)
		} else if !slices.Contains(ends, i) {
			restored[i] = true
		}
	}
	require.Len(t, announced, 1)
	calls := func(i int) bool { return r.calls(i) && !strings.HasSuffix(r.callee(i), ".stretch") }
	over := func(i int) bool { return i == ends[2] || restored[i] }
	for i := range r.reach(announced[0], func(i int) bool { return over(i) || r.code[i].fences() || calls(i) }) {
		// An index out of range ends the push, and its mark stays.
		require.False(t, calls(i) && !r.panics(i), "%s, of %s", r.show(i), r.callee(i))
	}
}

// Who pops with a bias announces it, copies, and publishes that it has popped, and calls nothing in between but adopt,
// which comes before.
func (r *routine) requireMPMCBiasedPop(t *testing.T) {
	moves := slices.DeleteFunc(r.payload(t, "mpmc_pop.go", "v := s.value"), func(i int) bool { return !r.code[i].loads() })
	require.NotEmpty(t, moves, "what is stored is the copy")
	var announced, committed, restored []int
	for _, i := range r.all(func(in *instruction) bool {
		_, ok := in.stores()
		return ok && in.of("futex.Publish")
	}) {
		require.Equal(t, x86asm.MOV, r.code[i].Op, r.show(i))
		require.Equal(t, 8, r.code[i].MemBytes, "in one piece: %s", r.show(i))
		once := func(k int) bool { return r.calls(k) } // not around the loop, behind a call
		switch {
		case r.reach(moves[0], once)[i]:
			committed = append(committed, i)
		case r.reach(i, once)[moves[0]]:
			announced = append(announced, i)
		default:
			restored = append(restored, i)
		}
	}
	require.Len(t, announced, 1)
	require.Len(t, committed, 1)
	require.Len(t, restored, 1)
	for _, m := range moves {
		require.True(t, r.reach(m, r.calls)[committed[0]], "%s leads to no commit", r.show(m))
		require.False(t, r.reach(committed[0], r.calls)[m], "%s: behind it the payload, %s", r.show(committed[0]), r.show(m))
	}
	r.requireMarkBefore(t, committed, r.calls)
	ends := func(i int) bool { return i == committed[0] || i == restored[0] }
	for i := range r.reach(announced[0], func(i int) bool { return ends(i) || r.code[i].fences() || r.calls(i) }) {
		// An index out of range ends the pop, and its claim stays.
		require.False(t, r.code[i].fences() || r.calls(i) && !r.panics(i), "%s, of %s", r.show(i), r.callee(i))
		require.False(t, r.code[i].Op == x86asm.RET, r.show(i))
	}
}

func (r *routine) requireMPMCPop(t *testing.T) {
	moves := slices.DeleteFunc(r.payload(t, "mpmc_pop.go", "v := s.value"), func(i int) bool { return !r.code[i].loads() })
	require.NotEmpty(t, moves, "what is stored is the copy")
	take := r.publishedBehind(t, moves[0], 1)
	swaps := r.all(func(in *instruction) bool { return in.Op == x86asm.CMPXCHG })
	require.Len(t, swaps, 1)
	for _, m := range moves {
		require.True(t, r.reach(m, never)[swaps[0]], "%s leads to no commit", r.show(m))
		require.False(t, r.reach(swaps[0], never)[m], "%s: behind it the payload, %s", r.show(swaps[0]), r.show(m))
	}
	require.True(t, r.reach(swaps[0], never)[take[0]])
	require.False(t, r.reach(take[0], never)[swaps[0]])
	r.requireMark(t, take)
}

// publishedBehind are the plain stores by futex.Publish that an instruction leads to, of which there are n, each
// behind the one before.
func (r *routine) publishedBehind(t *testing.T, from, n int) []int {
	t.Helper()
	ahead := r.reach(from, never)
	var found []int
	for _, i := range r.all(func(in *instruction) bool {
		_, ok := in.stores()
		return ok && in.of("futex.Publish")
	}) {
		if !ahead[i] {
			continue
		}
		require.Equal(t, x86asm.MOV, r.code[i].Op, r.show(i))
		require.Equal(t, 8, r.code[i].MemBytes, "in one piece: %s", r.show(i))
		if k := len(found); k > 0 {
			require.True(t, r.reach(found[k-1], never)[i], "%s leads to %s", r.show(found[k-1]), r.show(i))
			require.False(t, r.reach(i, never)[found[k-1]], "%s leads back", r.show(i))
		}
		found = append(found, i)
	}
	require.Len(t, found, n)
	return found
}

// requireMark looks for the look at the mark behind the last of the stores, on every way out and before any
// call, with no fence.
func (r *routine) requireMark(t *testing.T, stores []int) {
	t.Helper()
	r.requireMarkBefore(t, stores, never)
}

// requireMarkBefore is requireMark for a loop, which goes around behind those for which stop reports true.
func (r *routine) requireMarkBefore(t *testing.T, stores []int, stop func(i int) bool) {
	t.Helper()
	last, looks := stores[len(stores)-1], r.looks()
	require.NotEmpty(t, looks)
	for i := range r.reach(last, func(i int) bool { return looks[i] }) {
		leaves := r.calls(i) || r.code[i].Op == x86asm.RET
		require.False(t, leaves && !looks[i], "no look at the mark before %s", r.show(i))
	}
	for i := range looks {
		require.False(t, r.reach(i, stop)[last], "%s: the mark was looked at before, by %s", r.show(last), r.show(i))
	}
	for i := range r.reach(stores[0], r.calls) {
		require.False(t, r.code[i].fences(), r.show(i))
	}
}
