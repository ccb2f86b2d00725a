//go:build !race

package queue_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"

	"github.com/kindred-ipc/kindred/internal/disassemble"
)

// A put and a get of plain memory, if nobody disturbs: one locked instruction, then the stores that publish, each once, in one piece and in
// their order, behind the message, and then the looks whether somebody sleeps. Nothing is called on the way, so what is in registers
// need not be stored before the next locked instruction, which would wait for that.
func TestAPutAndAGetPublishByPlainStoresInTheirOrder(t *testing.T) {
	if counted(t) {
		return
	}
	methods := map[string]int{
		"Put": 3, // the sequence, the tail, the lock
		"Get": 2, // the head, the lock
	}
	looked := map[string]bool{}
	for _, r := range disassemble.Routines(t, func(name string) bool {
		return strings.Contains(name, "/kindred/queue.(*Queue[go.shape.uint64]).")
	}) {
		name := r.Name[strings.LastIndexByte(r.Name, '.')+1:]
		n := methods[name]
		if n == 0 {
			continue
		}
		looked[name] = true
		stores := publishes(t, &r, n)
		disturbs := func(i int) bool { return r.Calls(i) || r.Code[i].Fences() }
		locks := r.All(func(in *disassemble.Instruction) bool { return in.Fences() })
		require.NotEmpty(t, locks)
		straight := r.Reach(locks[0], disturbs)
		for k, i := range stores {
			require.True(t, straight[i], r.Show(i))
			if k > 0 {
				require.True(t, r.Reach(stores[k-1], disturbs)[i], r.Show(i))
			}
		}

		messages, looks, ends := 0, 0, 0
		last := stores[n-1]
		behind := r.Reach(last, disturbs)
		for i := range straight {
			in := &r.Code[i]
			to, stored := in.Stores()
			switch {
			case stored && to.Base != x86asm.RSP && strings.HasSuffix(in.Source.Function, "]).Put"):
				messages++
				require.True(t, r.Reach(i, disturbs)[stores[0]], r.Show(i))
				require.False(t, r.Reach(stores[0], disassemble.Never)[i], r.Show(i))
			case behind[i] && in.Loads() && in.Of("atomic.(*Uint32).Load"):
				looks++
				require.False(t, r.Reach(i, disassemble.Never)[last], r.Show(i))
			case behind[i] && in.Op == x86asm.RET:
				ends++
			}
		}
		require.Equal(t, 2, looks, "who waits for the lock, and who for what is there now")
		require.Equal(t, 1, ends)
		if name == "Put" {
			require.Equal(t, 1, messages)
		}
	}
	require.Len(t, looked, len(methods))
}

// counted reports whether the code has counters of coverage, which may be calls: then it is not looked at.
func counted(t *testing.T) bool {
	if testing.CoverMode() == "" {
		return false
	}
	t.Log("counters of coverage may be calls: not looked at")
	return true
}

// publishes are the n stores that publish, each in one piece, and in their order.
func publishes(t *testing.T, r *disassemble.Routine, n int) []int {
	t.Helper()
	require.NoError(t, r.Err)
	stores := r.All(func(in *disassemble.Instruction) bool {
		_, ok := in.Stores()
		return ok && in.Of("futex.Publish")
	})
	require.Len(t, stores, n, "of %s", r.Name)
	for k, i := range stores {
		require.Equal(t, x86asm.MOV, r.Code[i].Op, r.Show(i))
		require.Equal(t, 8, r.Code[i].MemBytes, "in one piece: %s", r.Show(i))
		if k > 0 {
			require.True(t, r.Reach(stores[k-1], disassemble.Never)[i], r.Show(i))
			require.False(t, r.Reach(i, disassemble.Never)[stores[k-1]], r.Show(i))
		}
	}
	return stores
}

// Likewise a short message of a pipe, whose bytes are copied before its slot is published, or given back. (Those of a value are copied in Recv, before
// it calls taken.)
func TestASendAndARecvOfAPipePublishBehindTheirCopies(t *testing.T) {
	if counted(t) {
		return
	}
	routines := pipeRoutines(t, "sendNow", "taken", "RecvInto")
	send := routines["sendNow"]
	stores := publishes(t, &send, 3) // the sequence, the tail, the lock
	comesBefore(t, &send, "queue.(*parcel).write", stores[0])
	locks := send.All(func(in *disassemble.Instruction) bool { return in.Fences() })
	require.NotEmpty(t, locks)
	require.True(t, send.Reach(locks[0], disassemble.Never)[stores[0]])

	taken := routines["taken"]
	publishes(t, &taken, 2) // the head, the lock
	into, calls := routines["RecvInto"], 0
	for i := range into.Code {
		if into.Calls(i) && strings.HasSuffix(into.Callee(i), ").taken") {
			comesBefore(t, &into, "runtime.memmove", i)
			calls++
		}
	}
	require.Positive(t, calls)
}

// pipeRoutines are those methods of a pipe, by their names.
func pipeRoutines(t *testing.T, names ...string) map[string]disassemble.Routine {
	t.Helper()
	found := map[string]disassemble.Routine{}
	for _, r := range disassemble.Routines(t, func(name string) bool {
		return strings.Contains(name, "/kindred/queue.(*pipe).") || strings.Contains(name, "/kindred/queue.(*Pipe[go.shape.uint64,go.shape.uint64]).")
	}) {
		if name := r.Name[strings.LastIndexByte(r.Name, '.')+1:]; slices.Contains(names, name) {
			found[name] = r
		}
	}
	require.Len(t, found, len(names))
	return found
}

// comesBefore has a call of that function come before an instruction, wherever it is called, and it is.
func comesBefore(t *testing.T, r *disassemble.Routine, function string, at int) {
	t.Helper()
	calls := 0
	for i := range r.Code {
		if r.Calls(i) && strings.Contains(r.Callee(i), function) {
			calls++
			require.True(t, r.Reach(i, disassemble.Never)[at], r.Show(i))
			require.False(t, r.Reach(at, disassemble.Never)[i], r.Show(i))
		}
	}
	require.Positive(t, calls)
}
