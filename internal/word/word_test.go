//go:build !interleave

package word_test

import (
	"os/exec"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/word"
)

// What costs nothing here is the same to the compiler: the types are those of sync/atomic by another
// name, so every access compiles to what it always did.
func TestTheWordsAreThoseOfTheStandardLibrary(t *testing.T) {
	require.Equal(t, reflect.TypeFor[atomic.Uint32](), reflect.TypeFor[word.Uint32]())
	require.Equal(t, reflect.TypeFor[atomic.Uint64](), reflect.TypeFor[word.Uint64]())
	require.Equal(t, reflect.TypeFor[atomic.Int64](), reflect.TypeFor[word.Int64]())
	require.Equal(t, reflect.TypeFor[sync.Mutex](), reflect.TypeFor[word.Mutex]())
	const modelled = word.Modelled // a constant: what it guards is not compiled
	require.False(t, modelled)
}

// A program of the normal build calls nothing of package word, and has nothing of the model in it.
func TestNothingOfTheModelIsInAProgram(t *testing.T) {
	dir := t.TempDir()
	symbols := func(tags string) string {
		program := filepath.Join(dir, "kindred"+tags)
		out, err := exec.Command("go", "build", "-tags", tags, "-o", program,
			"github.com/kindred-ipc/kindred/cmd/kindred").CombinedOutput()
		require.NoError(t, err, "%s", out)
		out, err = exec.Command("go", "tool", "nm", program).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.NotContains(t, symbols(""), "internal/word.")
	require.Contains(t, symbols("interleave"), "internal/word.", "what this test looks for")
}

// Package sync does not import sync/atomic for its words any more; see inlined.
func TestAccessesAreInlinedWhereTheWordsAreUsed(t *testing.T) {
	out, err := exec.Command("go", "build", "-gcflags=-m", "github.com/kindred-ipc/kindred/sync").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, method := range []string{"Load", "CompareAndSwap", "Store"} {
		require.Contains(t, string(out), "inlining call to atomic.(*Uint64)."+method)
	}
	require.Contains(t, string(out), "can inline (*Mutex).Lock", "no call for a lock that is free")
}
