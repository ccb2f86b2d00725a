//go:build !race

package ring_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"

	"github.com/kindred-ipc/kindred/internal/disassemble"
	"github.com/kindred-ipc/kindred/ring"
)

// A writer says that it is busy, looks whether it has the turn, writes, publishes, and is busy no more, all
// with plain stores; a subscriber looks at the sequence, copies, and looks at intent. The order is the
// compiler's to keep, so the code that it made is looked at.
var broadcastShapes = map[string][]any{
	"[uint64]":                           broadcastMethods[uint64](),
	"[struct { A uint32; B uint64 }]":    broadcastMethods[sixteen](),
	"[struct { A uint16; B [4]uint64 }]": broadcastMethods[forty](),
	"[[3]uint8]":                         broadcastMethods[[3]byte](),
	"[float32]":                          broadcastMethods[float32](),
}

func broadcastMethods[T any]() []any {
	return []any{(*ring.BroadcastWriter[T]).Push, (*ring.Subscriber[T]).Next}
}

// broadcastSites are the methods that publish, nil for those that do for many records what the others do for
// one.
var broadcastSites = map[string]func(*routine, *testing.T){
	"BroadcastWriter.Push":    (*routine).requirePush,
	"Subscriber.Next":         (*routine).requireNext,
	"BroadcastWriter.burst":   nil,
	"BroadcastWriter.prepare": nil, // what is there already
	"BroadcastWriter.rest":    nil, // busy no more
	"Subscriber.burst":        nil,
}

func TestABroadcastKeepsItsOrderWithPlainStores(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Log("counters of coverage are stores, too: not looked at")
		return
	}
	seen := 0
	for _, code := range disassemble.Routines(t, func(name string) bool { return strings.Contains(name, "/kindred/ring.(*") }) {
		r := routine{code}
		name, shape := r.method()
		if broadcastSites[name] == nil || broadcastShapes[shape] == nil {
			continue
		}
		seen++
		t.Run(name+shape, func(t *testing.T) {
			require.NoError(t, r.Err)
			broadcastSites[name](&r, t)
			// What makes no call executes no locked instruction.
			for i := range r.Reach(0, r.Calls) {
				require.False(t, r.Code[i].Fences() && r.endsWithoutCall(i), r.Show(i))
			}
		})
	}
	require.Equal(t, 2*len(broadcastShapes), seen)
}

func (r *routine) requirePush(t *testing.T) {
	publishes := r.publishes(t, 3)
	busy, commit, idle := publishes[0], publishes[1], publishes[2]
	looks, marks := r.loadsOf("atomic.(*Uint64).Load"), r.looks()
	at := func(set map[int]bool) func(int) bool { return func(i int) bool { return set[i] || r.Calls(i) } }
	moves := r.payload(t, "broadcast_writer.go", "s.value = v")

	behindBusy := r.Reach(busy, at(looks))
	for _, m := range moves {
		require.False(t, behindBusy[m], "no look at the turn between %s and %s", r.Show(busy), r.Show(m))
		require.True(t, r.Reach(m, disassemble.Never)[commit], "%s leads to no commit", r.Show(m))
		require.False(t, r.Reach(commit, disassemble.Never)[m], "%s: behind it the payload, %s", r.Show(commit), r.Show(m))
	}
	past := r.Reach(0, func(i int) bool { return i == busy || r.Calls(i) })
	require.False(t, past[commit], "a way past %s to %s", r.Show(busy), r.Show(commit))
	behind := r.Reach(commit, at(marks))
	require.False(t, behind[idle], "no look at the mark between %s and %s", r.Show(commit), r.Show(idle))
	behind = r.Reach(idle, at(looks))
	for i := range behind {
		require.False(t, !looks[i] && (r.Calls(i) || r.Code[i].Op == x86asm.RET), "no look at the turn between %s and %s", r.Show(idle), r.Show(i))
	}
}

func (r *routine) requireNext(t *testing.T) {
	commit := r.publishes(t, 1)[0]
	loads := r.loadsOf("atomic.(*Uint64).Load")
	stop := func(i int) bool { return loads[i] || r.Calls(i) }
	moves := r.payload(t, "broadcast_subscriber.go", "v := at.value")

	// Before the copy there are two loads: how far it may go, and the sequence.
	before := r.Reach(0, stop)
	for i := range r.Reach(0, stop) {
		if loads[i] {
			for k := range r.Reach(i, stop) {
				before[k] = true
			}
		}
	}
	for _, m := range moves {
		require.False(t, before[m], "no look at the sequence before %s", r.Show(m))
		for i := range r.Reach(m, stop) {
			require.False(t, i == commit || r.Code[i].Op == x86asm.RET, "no look at intent between %s and %s", r.Show(m), r.Show(i))
			require.False(t, loads[i] && r.Reach(i, disassemble.Never)[m], "%s is behind the look at intent, %s", r.Show(m), r.Show(i))
		}
	}
}

// publishes are the plain stores by futex.Publish, of which there are n, each behind the one before.
func (r *routine) publishes(t *testing.T, n int) []int {
	t.Helper()
	found := r.All(func(in *disassemble.Instruction) bool {
		_, ok := in.Stores()
		return ok && in.Of("futex.Publish")
	})
	require.Len(t, found, n)
	for k, i := range found {
		require.Equal(t, x86asm.MOV, r.Code[i].Op, r.Show(i))
		require.Equal(t, 8, r.Code[i].MemBytes, "in one piece: %s", r.Show(i))
		if k > 0 {
			require.True(t, r.Reach(found[k-1], disassemble.Never)[i], "%s leads to %s", r.Show(found[k-1]), r.Show(i))
			require.False(t, r.Reach(i, disassemble.Never)[found[k-1]], "%s leads back", r.Show(i))
		}
	}
	return found
}

// loadsOf are the loads that came of that function.
func (r *routine) loadsOf(function string) map[int]bool {
	set := make(map[int]bool)
	for _, i := range r.All(func(in *disassemble.Instruction) bool { return in.Loads() && in.Of(function) }) {
		set[i] = true
	}
	return set
}

// payload is what moves the value.
func (r *routine) payload(t *testing.T, file, text string) []int {
	t.Helper()
	lines := linesOf(t, file, text)
	moves := r.All(func(in *disassemble.Instruction) bool {
		_, stores := in.Stores()
		return lines[in.Source.Line] && filepath.Base(in.Source.File) == file && (stores || in.Loads())
	})
	require.NotEmpty(t, moves, r.Name)
	return moves
}

// endsWithoutCall reports whether the instruction leads to the end by a way that makes no call.
func (r *routine) endsWithoutCall(i int) bool {
	for k := range r.Reach(i, r.Calls) {
		if r.Code[k].Op == x86asm.RET {
			return true
		}
	}
	return false
}
