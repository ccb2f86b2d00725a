//go:build !race

package ring_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"

	"github.com/kindred-ipc/kindred/internal/disassemble"
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
	"MPMC.own":          nil,
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
	for _, code := range disassemble.Routines(t, func(name string) bool { return strings.Contains(name, "/kindred/ring.(*MPMC") }) {
		r := routine{code}
		name, shape := r.method()
		if mpmcSites[name] == nil || mpmcShapes[shape] == nil {
			continue
		}
		seen++
		t.Run(name+shape, func(t *testing.T) {
			require.NoError(t, r.Err)
			mpmcSites[name](&r, t)
		})
	}
	require.Equal(t, 6*len(mpmcShapes), seen)
}

func (r *routine) requireMPMCPush(t *testing.T) {
	moves := r.payload(t, "mpmc_push.go", "s.value = v")
	commits := r.publishedBehind(t, moves[len(moves)-1], 3)
	for _, m := range moves {
		require.True(t, r.Reach(m, disassemble.Never)[commits[0]], "%s leads to no commit", r.Show(m))
		require.False(t, r.Reach(commits[0], disassemble.Never)[m], "%s: behind it the payload, %s", r.Show(commits[0]), r.Show(m))
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
	for _, i := range r.All(func(in *disassemble.Instruction) bool {
		_, ok := in.Stores()
		return ok && in.Of("futex.Publish")
	}) {
		if r.Reach(i, disassemble.Never)[last] {
			announced = append(announced, i)
		} else if !slices.Contains(ends, i) {
			restored[i] = true
		}
	}
	require.Len(t, announced, 1)
	calls := func(i int) bool { return r.Calls(i) && !strings.HasSuffix(r.Callee(i), ".stretch") }
	over := func(i int) bool { return i == ends[2] || restored[i] }
	for i := range r.Reach(announced[0], func(i int) bool { return over(i) || r.Code[i].Fences() || calls(i) }) {
		// An index out of range ends the push, and its mark stays.
		require.False(t, calls(i) && !r.Panics(i), "%s, of %s", r.Show(i), r.Callee(i))
	}
}

// Who pops with a bias announces it, copies, from the slot or what was read ahead, and publishes that it has popped, and
// calls nothing in between but adopt, which comes before, and read.
func (r *routine) requireMPMCBiasedPop(t *testing.T) {
	copies := "v := s.value"
	if name, _ := r.method(); name == "MPMC.Pop" {
		copies = "v := vs[i]"
	}
	moves := slices.DeleteFunc(r.payload(t, "mpmc_pop.go", copies), func(i int) bool { return !r.Code[i].Loads() })
	calls := func(i int) bool { return r.Calls(i) && !strings.HasSuffix(r.Callee(i), ".read") }
	require.NotEmpty(t, moves, "what is stored is the copy")
	var announced, committed, restored []int
	for _, i := range r.All(func(in *disassemble.Instruction) bool {
		_, ok := in.Stores()
		return ok && in.Of("futex.Publish")
	}) {
		require.Equal(t, x86asm.MOV, r.Code[i].Op, r.Show(i))
		require.Equal(t, 8, r.Code[i].MemBytes, "in one piece: %s", r.Show(i))
		switch { // not around the loop, behind a call
		case r.Reach(moves[0], calls)[i]:
			committed = append(committed, i)
		case r.Reach(i, calls)[moves[0]]:
			announced = append(announced, i)
		default:
			restored = append(restored, i)
		}
	}
	require.Len(t, announced, 1)
	require.Len(t, committed, 1)
	require.Len(t, restored, 1)
	for _, m := range moves {
		require.True(t, r.Reach(m, calls)[committed[0]], "%s leads to no commit", r.Show(m))
		require.False(t, r.Reach(committed[0], calls)[m], "%s: behind it the payload, %s", r.Show(committed[0]), r.Show(m))
	}
	r.requireMarkBefore(t, committed, calls)
	ends := func(i int) bool { return i == committed[0] || i == restored[0] }
	for i := range r.Reach(announced[0], func(i int) bool { return ends(i) || r.Code[i].Fences() || calls(i) }) {
		// An index out of range ends the pop, and its claim stays.
		require.False(t, r.Code[i].Fences() || calls(i) && !r.Panics(i), "%s, of %s", r.Show(i), r.Callee(i))
		require.False(t, r.Code[i].Op == x86asm.RET, r.Show(i))
	}
}

func (r *routine) requireMPMCPop(t *testing.T) {
	moves := slices.DeleteFunc(r.payload(t, "mpmc_pop.go", "v := s.value"), func(i int) bool { return !r.Code[i].Loads() })
	require.NotEmpty(t, moves, "what is stored is the copy")
	take := r.publishedBehind(t, moves[0], 1)
	swaps := r.All(func(in *disassemble.Instruction) bool { return in.Op == x86asm.CMPXCHG })
	require.Len(t, swaps, 1)
	for _, m := range moves {
		require.True(t, r.Reach(m, disassemble.Never)[swaps[0]], "%s leads to no commit", r.Show(m))
		require.False(t, r.Reach(swaps[0], disassemble.Never)[m], "%s: behind it the payload, %s", r.Show(swaps[0]), r.Show(m))
	}
	require.True(t, r.Reach(swaps[0], disassemble.Never)[take[0]])
	require.False(t, r.Reach(take[0], disassemble.Never)[swaps[0]])
	r.requireMark(t, take)
}

// publishedBehind are the plain stores by futex.Publish that an instruction leads to, of which there are n, each
// behind the one before.
func (r *routine) publishedBehind(t *testing.T, from, n int) []int {
	t.Helper()
	ahead := r.Reach(from, disassemble.Never)
	var found []int
	for _, i := range r.All(func(in *disassemble.Instruction) bool {
		_, ok := in.Stores()
		return ok && in.Of("futex.Publish")
	}) {
		if !ahead[i] {
			continue
		}
		require.Equal(t, x86asm.MOV, r.Code[i].Op, r.Show(i))
		require.Equal(t, 8, r.Code[i].MemBytes, "in one piece: %s", r.Show(i))
		if k := len(found); k > 0 {
			require.True(t, r.Reach(found[k-1], disassemble.Never)[i], "%s leads to %s", r.Show(found[k-1]), r.Show(i))
			require.False(t, r.Reach(i, disassemble.Never)[found[k-1]], "%s leads back", r.Show(i))
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
	r.requireMarkBefore(t, stores, disassemble.Never)
}

// requireMarkBefore is requireMark for a loop, which goes around behind those for which stop reports true.
func (r *routine) requireMarkBefore(t *testing.T, stores []int, stop func(i int) bool) {
	t.Helper()
	last, looks := stores[len(stores)-1], r.looks()
	require.NotEmpty(t, looks)
	for i := range r.Reach(last, func(i int) bool { return looks[i] }) {
		leaves := r.Calls(i) || r.Code[i].Op == x86asm.RET
		require.False(t, leaves && !looks[i], "no look at the mark before %s", r.Show(i))
	}
	for i := range looks {
		require.False(t, r.Reach(i, stop)[last], "%s: the mark was looked at before, by %s", r.Show(last), r.Show(i))
	}
	for i := range r.Reach(stores[0], r.Calls) {
		require.False(t, r.Code[i].Fences(), r.Show(i))
	}
}
