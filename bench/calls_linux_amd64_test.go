//go:build !race

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/disassemble"
)

// What a small function of an internal package does is done where a program uses a ring of a type of its own, as this one does, and
// not by a call. The compiler sees to that only for what the ring's package has inlined itself, in what is not generic.
func TestNoPushOrPopCallsForTheNameOfItsStack(t *testing.T) {
	seen := 0
	for _, r := range disassemble.Routines(t, func(name string) bool { return strings.Contains(name, "/kindred/ring.(*MPMC[go.shape.uint64]).") }) {
		if !strings.HasSuffix(r.Name, ").Push") && !strings.HasSuffix(r.Name, ").Pop") {
			continue
		}
		seen++
		require.NoError(t, r.Err)
		for i := range r.Code {
			require.NotContains(t, r.Callee(i), "/bias.", r.Show(i))
		}
	}
	require.Equal(t, 2, seen)
}
