//go:build interleave && (linux || darwin)

package interleave_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mutation is a change of the library that a scenario must find.
type mutation struct {
	name     string
	file     string // from the root of the module
	old, new string
	pkg, run string // whose tests, and which
	finds    string
}

var mutations = []mutation{{
	name: "a waiter looks before it announces itself, and not behind it",
	file: "internal/segment/wait.go",
	old: "seq := me.announce()\n\t\tfence.announced(seq)\n" +
		"\t\tif w.Try() || fence.needed && fence.settle() && w.Try() {",
	new: "ready := w.Try()\n\t\tseq := me.announce()\n\t\tfence.announced(seq)\n\t\tif ready {",
	pkg: "locks", run: "TestSemaphoreCountsAndWakes", finds: "does not go on",
}, {
	name: "an unlock wakes nobody",
	file: "internal/segment/lock.go",
	old:  "\tl.point.Signal()\n",
	pkg:  "mutexes", run: "TestMutexExcludesAndWakes", finds: "does not go on",
}, {
	name: "a lock is taken with a load and a store",
	file: "internal/segment/lock.go",
	old:  "return l.word.CompareAndSwap(free, l.me) // by itself",
	new:  "return l.word.Load() == free && func() bool { l.word.Store(l.me); return true }() // by itself",
	pkg:  "mutexes", run: "TestMutexExcludesAndWakes", finds: "not held by this process",
}, {
	name: "a value is written behind its sequence",
	file: "ring/spsc_writer.go",
	old:  "\ts.sequence.Store(w.pos)\n",
	new:  "\ts.value = *new(T)\n\ts.sequence.Store(w.pos)\n\ts.value = v\n",
	pkg:  "rings", run: "TestRingsInTheFinestSteps", finds: "came as number",
}, {
	name: "a subscriber does not look whether its copy counts",
	file: "ring/broadcast_subscriber.go",
	old:  "\tif s.intent.Load()-s.pos-1 >= s.span { // behind",
	new:  "\tif s.intent.Load() == 0 { // behind",
	pkg:  "rings", run: "TestABroadcastReachesAllAndLosesNoWakeUp", finds: "behind",
}, {
	name: "a writer that keeps the turn does not look whether it has it",
	file: "ring/broadcast_writer.go",
	old:  "\tif w.turn.Load() != w.mine {\n\t\treturn w.pushSlow(ctx, v)",
	new:  "\tif w.turn.Load() == 0 {\n\t\treturn w.pushSlow(ctx, v)",
	pkg:  "rings", run: "TestWritersOfABroadcastTakeTurns", finds: "auditor: writer",
}, {
	name: "a sweep does not look where a tied block was to go",
	file: "internal/segment/heap_sweep.go",
	old:  "c.state() == blockTied && h.named(off, c); {",
	new:  "c.state() == blockTied && h.named(off, c) && false; {",
	pkg:  "heaps", run: "TestABlockIsLinkedOrFree", finds: "stale",
}}

// Each mutation is made in a copy of its file, which takes the place of the file for one build.
func TestMutationsAreFound(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			dir := t.TempDir()
			there := filepath.Join(root, m.file)
			b, err := os.ReadFile(there)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(b), m.old), "%s has changed: %q", m.file, m.old)
			changed := filepath.Join(dir, "changed.go")
			text := strings.Replace(string(b), m.old, m.new, 1)
			require.NoError(t, os.WriteFile(changed, []byte(text), 0o600))
			overlay, err := json.Marshal(map[string]map[string]string{"Replace": {there: changed}})
			require.NoError(t, err)
			list := filepath.Join(dir, "overlay.json")
			require.NoError(t, os.WriteFile(list, overlay, 0o600))
			out, err := exec.Command("go", "test", "-count=1", "-vet=off", "-overlay", list, "-tags", "interleave",
				"-run", "^"+m.run+"$", "./"+m.pkg).CombinedOutput()
			require.Error(t, err, "nothing is found:\n%s", out)
			require.Contains(t, string(out), m.finds)
		})
	}
}
