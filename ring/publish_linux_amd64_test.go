//go:build !race

package ring_test

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"

	"github.com/kindred-ipc/kindred/internal/disassemble"
	"github.com/kindred-ipc/kindred/ring"
)

// On amd64 the last store of an operation is a plain one (futex.Publish): nothing but the compiler's
// habits keeps it behind the payload and before the look at the mark. So the code that the compiler
// made is looked at, of this very program, which has rings of these types:
type (
	sixteen struct {
		A uint32
		B uint64
	}
	forty struct {
		A uint16
		B [4]uint64
	}
)

// shapes are those, in the words of the compiler, and what has it make the code.
var shapes = map[string][]any{
	"[uint64]":                           ringOf[uint64](),
	"[struct { A uint32; B uint64 }]":    ringOf[sixteen](),
	"[struct { A uint16; B [4]uint64 }]": ringOf[forty](),
	"[[3]uint8]":                         ringOf[[3]byte](),
	"[float32]":                          ringOf[float32](),
	"[struct {}]":                        ringOf[struct{}](),
}

func ringOf[T any]() []any {
	return []any{
		(*ring.Writer[T]).Push, (*ring.Writer[T]).PushN, (*ring.Writer[T]).Reserve, (*ring.Writer[T]).Commit,
		(*ring.Reader[T]).Pop, (*ring.Reader[T]).PopN, (*ring.Reader[T]).Release,
	}
}

// site is a function that publishes.
type site struct {
	publishes int    // plain stores by futex.Publish; the last is the commit
	seldom    int    // fences behind it, which most calls do not come to
	file      string // where the payload is moved, if that is here
	payload   string // what has to do with it there, s.value if it is ""
	loop      bool   // each publish is in a loop, for one slot after the other
	unseen    bool   // nobody sees what is stored before something else is published: no look at the mark
}

var sites = map[string]site{
	"Writer.Push":         {publishes: 1, file: "spsc_writer.go"},
	"Writer.put":          {publishes: 1, file: "spsc_writer.go", loop: true}, // PushN
	"Writer.prepare":      {publishes: 1, unseen: true},                       // what is there already
	"Writer.reserve":      {publishes: 1, unseen: true},                       // the same
	"Writer.Commit":       {publishes: 2, loop: true},                         // up to the end of the slots, and from their begin
	"Reader.Pop":          {publishes: 1, file: "spsc_reader.go", payload: "v := r.ahead.values[i]"},
	"Reader.popNext":      {publishes: 1, file: "spsc_reader.go"},
	"Reader.taken":        {publishes: 1},               // PopN and Release
	"Lock.Release":        {publishes: 1, unseen: true}, // its caller looks at the mark
	"Lock.Drop":           {publishes: 1, unseen: true}, // the same
	"BytesWriter.Append":  {publishes: 1, unseen: true},
	"BytesWriter.Commit":  {publishes: 1, unseen: true}, // of what was appended before
	"BytesWriter.finish":  {publishes: 1, unseen: true}, // the 0 behind the record
	"BytesWriter.write":   {publishes: 2, unseen: true}, // PushN's headers but for the first, and the 0 behind them
	"BytesWriter.publish": {publishes: 1},               // Commit, Flush and PushN
	"BytesReader.Release": {publishes: 1, seldom: 1},    // once a quarter of the ring it gives back what it read
}

// routine is one of the functions that publish.
type routine struct{ disassemble.Routine }

func TestPublishesArePlainStoresBehindThePayloadAndBeforeTheLookAtTheMark(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Log("counters of coverage are stores, too: not looked at")
		return
	}
	seen := make(map[string]bool)
	for _, code := range disassemble.Routines(t, func(name string) bool { return strings.Contains(name, "/kindred/") }) {
		r := routine{code}
		if looker := lookerIn(r.Name); looker != "" {
			r.requireLook(t)
			seen[looker] = true
		}
		found := r.All(func(in *disassemble.Instruction) bool {
			_, ok := in.Stores()
			return ok && in.Of("futex.Publish")
		})
		if len(found) == 0 {
			continue
		}
		name, shape := r.method()
		if control, ok := controls[name]; ok {
			require.Equal(t, control.holds, holds(func(t require.TestingT) { r.requireOrder(t, found[0], control.site, true) }), r.Name)
			seen[name] = true
			continue
		}
		if _, ok := broadcastSites[name]; ok {
			continue // looked at by TestABroadcastKeepsItsOrderWithPlainStores
		}
		if _, ok := mpmcSites[name]; ok {
			continue // looked at by TestAnMPMCRingKeepsItsOrderWithPlainStores
		}
		if !strings.Contains(r.Name, "/kindred/ring.") && !strings.Contains(r.Name, "/kindred/internal/segment.") {
			continue // of packages that stand on this one, or beside it
		}
		s, ok := sites[name]
		require.True(t, ok, "%s publishes, too: it belongs into the list", r.Name)
		seen[name+shape] = true
		t.Run(name+shape, func(t *testing.T) {
			require.NoError(t, r.Err)
			require.Len(t, found, s.publishes)
			if s.unseen {
				return
			}
			r.requireOrder(t, found[len(found)-1], s, shape != "[struct {}]")
		})
	}
	for _, looker := range lookers {
		require.True(t, seen[looker], looker)
	}
	for name, run := range controls {
		require.True(t, seen[name], "%s, like %p", name, run.code)
	}
	for name := range sites {
		if strings.HasPrefix(name, "Bytes") || strings.HasPrefix(name, "Lock") {
			require.True(t, seen[name], name)
			continue
		}
		for shape, code := range shapes {
			require.True(t, seen[name+shape], "%s%s, one of %d", name, shape, len(code))
		}
	}
}

// method is the function's name without its package, and its type arguments.
func (r *routine) method() (name, shape string) {
	name = r.Name[strings.LastIndex(r.Name, "/")+1:]
	if i := strings.Index(r.Name, "["); i >= 0 {
		j := strings.LastIndex(r.Name, "]")
		shape = strings.ReplaceAll(r.Name[i:j+1], "go.shape.", "")
		name = r.Name[strings.LastIndex(r.Name[:i], "/")+1:i] + r.Name[j+1:]
	}
	_, name, _ = strings.Cut(name, ".")
	return strings.NewReplacer("(", "", "*", "", ")", "").Replace(name), shape
}

// requireOrder looks at every way through the function that makes no call, which is what a push that
// finds room and nobody asleep executes.
func (r *routine) requireOrder(t require.TestingT, commit int, s site, carries bool) {
	require.Equal(t, x86asm.MOV, r.Code[commit].Op, r.Show(commit))
	require.Equal(t, 8, r.Code[commit].MemBytes, "in one piece: %s", r.Show(commit))

	fences, behind := 0, r.Reach(commit, disassemble.Never)
	for i := range r.fast(commit) {
		if r.Code[i].Fences() {
			require.True(t, behind[i], "before a plain store: %s", r.Show(i))
			fences++
		}
		again := r.overlap(i, commit) && !(s.loop && r.Code[i].Of("futex.Publish")) // of the next slot, or the other loop
		require.True(t, i == commit || !again, "%s, and once more: %s", r.Show(commit), r.Show(i))
	}
	require.Equal(t, s.seldom, fences, "fences behind %s", r.Show(commit))

	// The mark is looked at behind the commit, on every way out and before any call.
	looks := r.looks()
	require.NotEmpty(t, looks, r.Name)
	for i := range r.Reach(commit, func(i int) bool { return looks[i] || r.Panics(i) }) {
		leaves := r.Calls(i) && !r.Panics(i) || r.Code[i].Op == x86asm.RET
		require.False(t, leaves && !looks[i], "%s: no look at the mark before %s", r.Show(commit), r.Show(i))
	}
	for i := range looks {
		require.False(t, r.Reach(i, disassemble.Never)[commit], "%s: the mark was looked at before, by %s", r.Show(commit), r.Show(i))
	}

	if s.file == "" {
		return
	}
	// What is behind the commit may happen after it was seen.
	lines := linesOf(t, s.file, cmp.Or(s.payload, "s.value"))
	moves := r.All(func(in *disassemble.Instruction) bool {
		_, stores := in.Stores()
		return lines[in.Source.Line] && filepath.Base(in.Source.File) == s.file && (stores || in.Loads())
	})
	require.Equal(t, carries, len(moves) > 0, "%s: the payload: %d instructions", r.Name, len(moves))
	if s.loop {
		behind = r.onward(commit) // in the same turn
	}
	for _, i := range moves {
		require.False(t, behind[i], "%s: behind it the payload, %s", r.Show(commit), r.Show(i))
		require.True(t, r.Reach(i, disassemble.Never)[commit], "%s leads to no commit", r.Show(i))
	}
}

// lookers are the functions that look at the mark for those who call them: behind the publishes of a batch, with a fence
// before if it must be, and behind what was pushed and popped with a bias.
var lookers = []string{"]).committed", ".(*MPMC[...]).pushed", ".(*MPMC[...]).popped"}

// lookerIn is which of them has that name, "" for none.
func lookerIn(name string) string {
	for _, l := range lookers {
		before, after, _ := strings.Cut(l, "...")
		if after == "" && strings.HasSuffix(name, before) || after != "" && strings.Contains(name, before) && strings.HasSuffix(name, after) {
			return l
		}
	}
	return ""
}

// requireLook looks at one of them itself.
func (r *routine) requireLook(t *testing.T) {
	looks := r.looks()
	require.NotEmpty(t, looks, r.Name)
	for i := range r.Reach(0, func(i int) bool { return looks[i] }) {
		callee := r.Callee(i)
		leaves := r.Calls(i) && !strings.HasSuffix(callee, ".fence") && !strings.HasPrefix(callee, "runtime.morestack")
		require.False(t, leaves || r.Code[i].Op == x86asm.RET, "no look at the mark before %s", r.Show(i))
		require.False(t, r.Code[i].Fences(), "a fence for those who need none: %s", r.Show(i))
	}
}

// onward is reach without the jumps back, which begin the next turn of a loop.
func (r *routine) onward(from int) map[int]bool {
	set := map[int]bool{from: true}
	for i := from; i < len(r.Code); i++ {
		for _, n := range r.Code[i].Next {
			if set[i] && n > i {
				set[n] = true
			}
		}
	}
	delete(set, from)
	return set
}

// looks are the loads of the mark, and calls of the function that does it for several sites. The
// compiler says of the comparison that it is of Idle, and the load before it is by the package atomic.
func (r *routine) looks() map[int]bool {
	set := make(map[int]bool)
	for i := range r.Code {
		if lookerIn(r.Callee(i)) != "" {
			set[i] = true
		}
	}
	for _, i := range r.All(func(in *disassemble.Instruction) bool { return in.Of("futex.(*Event).Idle") }) {
		in := &r.Code[i]
		if in.Loads() {
			set[i] = true
		}
		for k := i - 1; k >= 0 && in.Op == x86asm.TEST; k-- {
			if before := &r.Code[k]; before.Args[0] == in.Args[0] {
				if before.Of("atomic.(*Uint32).Load") && before.Loads() {
					set[k] = true
				}
				break
			}
		}
	}
	return set
}

// fast is what is executed on those ways through the function that lead over i and make no call.
func (r *routine) fast(i int) map[int]bool {
	leads := func(from, to int) bool { return from == to || r.Reach(from, r.Calls)[to] }
	set := map[int]bool{i: true}
	for k := range r.Reach(i, r.Calls) {
		for _, ret := range r.All(func(in *disassemble.Instruction) bool { return in.Op == x86asm.RET }) {
			if leads(k, ret) && !r.Calls(k) {
				set[k] = true
			}
		}
	}
	for k := range r.Code {
		if !r.Calls(k) && leads(0, k) && leads(k, i) {
			set[k] = true
		}
	}
	return set
}

// overlap reports whether both instructions store to the same word, as far as their operands tell: one
// follows the other, and nothing in between puts something else into the base register.
func (r *routine) overlap(i, k int) bool {
	a, ok := r.Code[i].Stores()
	b, _ := r.Code[k].Stores()
	if !ok || a.Base != b.Base || a.Index != b.Index || a.Scale != b.Scale ||
		a.Disp >= b.Disp+8 || b.Disp >= a.Disp+int64(max(r.Code[i].MemBytes, 1)) {
		return false
	}
	other := func(n int) bool {
		in := &r.Code[n]
		return in.Args[0] == x86asm.Arg(a.Base) && in.Op != x86asm.CMP && in.Op != x86asm.TEST
	}
	return r.Reach(i, other)[k] || r.Reach(k, other)[i]
}

// linesOf are the lines of the file that have the text in them.
func linesOf(t require.TestingT, file, text string) map[int]bool {
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := make(map[int]bool)
	for i, l := range strings.Split(string(source), "\n") {
		if strings.Contains(l, text) {
			lines[i+1] = true
		}
	}
	require.NotEmpty(t, lines, "%s: %s", file, text)
	return lines
}
