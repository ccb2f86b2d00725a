//go:build !race

package sync_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"

	"github.com/kindred-ipc/kindred/internal/disassemble"
)

// Between the look at where the stack is and the last store to the mark nothing is called, or the stack might move. Nothing
// on that way waits for the stores before it, either, if nobody disturbs.
func TestNothingIsCalledBetweenALookAtTheStackAndTheLastStoreToItsMark(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Log("counters of coverage may be calls: not looked at")
		return
	}
	stores := map[string]int{
		"RLock": 2, "RUnlock": 1, // announced and taken back; given up
		"kept": 3, // of a grant, and of an operation, which is counted then
	}
	for _, r := range disassemble.Routines(t, func(name string) bool {
		return strings.Contains(name, "/kindred/sync.(*RWMutex).R") || strings.HasSuffix(name, "/kindred/sync.(*Semaphore).kept")
	}) {
		name := r.Name[strings.LastIndexByte(r.Name, '.')+1:]
		if stores[name] == 0 {
			continue
		}
		require.NoError(t, r.Err)
		marks := r.All(func(in *disassemble.Instruction) bool {
			_, ok := in.Stores()
			return ok && in.Of("futex.Publish")
		})
		require.Len(t, marks, stores[name])
		looks := r.All(func(in *disassemble.Instruction) bool { return in.Of("bias.Stack") })
		require.NotEmpty(t, looks)
		for _, i := range marks {
			require.Equal(t, x86asm.MOV, r.Code[i].Op, r.Show(i))
			require.Equal(t, 8, r.Code[i].MemBytes, "in one piece: %s", r.Show(i))
		}
		for i := range r.Reach(looks[0], func(i int) bool { return r.Calls(i) }) {
			if slices.ContainsFunc(marks, func(m int) bool { return r.Reach(i, disassemble.Never)[m] }) {
				require.False(t, r.Calls(i), "%s, of %s", r.Show(i), r.Callee(i))
				require.False(t, name != "kept" && r.Code[i].Fences(), r.Show(i))
			}
		}
		if name == "kept" { // looks behind the store, and decides
			straight := r.Reach(looks[0], func(i int) bool { return r.Code[i].Fences() })
			require.True(t, straight[marks[len(marks)-1]], "of who is the keeper already nothing waits for stores")
			for i := range r.Code {
				require.True(t, !r.Calls(i) || strings.HasPrefix(r.Callee(i), "runtime.morestack"), "%s, of %s", r.Show(i), r.Callee(i))
			}
		}
		delete(stores, name)
	}
	require.Empty(t, stores)
}
