package disassemble

import (
	"debug/elf"
	"debug/gosym"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"
)

// Routine is the machine code of one function, and what may follow what in it.
type Routine struct {
	Name string
	Code []Instruction
	Err  error // why not all is known of what may follow what
}

// Instruction knows where its source stands: in the routine's own function, or in one that was called
// there and that the compiler put in place of the call.
type Instruction struct {
	x86asm.Inst
	pc     uint64
	Source runtime.Frame
	Next   []int // the instructions that may follow; a call is followed by what stands behind it
}

// Routines are the functions of this program whose name keep accepts.
func Routines(t *testing.T, keep func(name string) bool) (all []Routine) {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	file, err := elf.Open(path)
	require.NoError(t, err)
	defer file.Close()
	require.Equal(t, elf.ET_EXEC, file.Type, "its functions lie where the file says")
	section := file.Section(".text")
	text, err := section.Data()
	require.NoError(t, err)
	lines, err := file.Section(".gopclntab").Data()
	require.NoError(t, err)
	table, err := gosym.NewTable(nil, gosym.NewLineTable(lines, section.Addr))
	require.NoError(t, err)
	for _, f := range table.Funcs {
		if keep(f.Name) {
			all = append(all, disassemble(f.Name, text[f.Entry-section.Addr:f.End-section.Addr], f.Entry))
		}
	}
	return all
}

func disassemble(name string, code []byte, entry uint64) Routine {
	r := Routine{Name: name}
	index := make(map[uint64]int) // by pc
	for at := uint64(0); at < uint64(len(code)); {
		in, err := x86asm.Decode(code[at:], 64)
		if err != nil {
			r.Err = fmt.Errorf("%s+%#x: % x: %w", name, at, code[at:min(at+16, uint64(len(code)))], err)
			return r
		}
		index[entry+at] = len(r.Code)
		r.Code = append(r.Code, Instruction{Inst: in, pc: entry + at, Source: sourceAt(entry + at)})
		at += uint64(in.Len)
	}
	for i := range r.Code {
		in := &r.Code[i]
		through := true
		switch in.Op {
		case x86asm.RET, x86asm.INT, x86asm.UD2:
			through = false
		case x86asm.JMP:
			through = false
			fallthrough
		default:
			if to, ok := in.Args[0].(x86asm.Rel); ok && in.Op != x86asm.CALL {
				target, ok := index[in.pc+uint64(in.Len)+uint64(int64(to))]
				if !ok {
					r.Err = fmt.Errorf("%s: out of the function", r.Show(i))
				}
				in.Next = append(in.Next, target)
			} else if in.Op == x86asm.JMP {
				r.Err = fmt.Errorf("%s: where to?", r.Show(i))
			}
		}
		if through && i+1 < len(r.Code) {
			in.Next = append(in.Next, i+1)
		}
	}
	return r
}

// sourceAt is where the source of the instruction at pc stands.
func sourceAt(pc uint64) runtime.Frame {
	f, _ := runtime.CallersFrames([]uintptr{uintptr(pc) + 1}).Next() // which takes it for a return address
	return f
}

// Of reports whether the instruction came of that function.
func (in *Instruction) Of(function string) bool {
	return strings.HasSuffix(in.Source.Function, "/"+function)
}

// Stores is the memory that the instruction writes.
func (in *Instruction) Stores() (to x86asm.Mem, ok bool) {
	switch in.Op {
	case x86asm.CMP, x86asm.TEST, x86asm.BT, x86asm.NOP, x86asm.PUSH, x86asm.CALL, x86asm.JMP, x86asm.UCOMISD, x86asm.UCOMISS:
		return to, false
	}
	to, ok = in.Args[0].(x86asm.Mem)
	return to, ok
}

// Loads reports whether the instruction reads memory.
func (in *Instruction) Loads() bool {
	switch in.Op {
	case x86asm.LEA, x86asm.NOP:
		return false
	}
	for i, a := range in.Args {
		if _, ok := a.(x86asm.Mem); ok && (i > 0 || in.Op == x86asm.CMP || in.Op == x86asm.TEST) {
			return true
		}
	}
	return false
}

// Fences reports whether the instruction waits for the stores before it.
func (in *Instruction) Fences() bool {
	switch in.Op {
	case x86asm.MFENCE, x86asm.SFENCE, x86asm.CPUID:
		return true
	case x86asm.XCHG:
		_, ok := in.Args[0].(x86asm.Mem)
		return ok
	}
	for _, p := range in.Prefix {
		if p&0xff == x86asm.PrefixLOCK {
			return true
		}
	}
	return false
}

// Reach is what can be executed behind the instruction from, which itself counts only if it comes
// again. Nothing is looked for behind those for which stop reports true.
func (r *Routine) Reach(from int, stop func(i int) bool) map[int]bool {
	seen := make(map[int]bool)
	var follow func(i int)
	follow = func(i int) {
		for _, n := range r.Code[i].Next {
			if !seen[n] {
				seen[n] = true
				if !stop(n) {
					follow(n)
				}
			}
		}
	}
	follow(from)
	return seen
}

// Never stops nowhere.
func Never(int) bool { return false }

// Calls reports whether the instruction is a call.
func (r *Routine) Calls(i int) bool { return r.Code[i].Op == x86asm.CALL }

// Callee is the name of the function that a call is of, if that stands in the instruction.
func (r *Routine) Callee(i int) string {
	in := &r.Code[i]
	to, ok := in.Args[0].(x86asm.Rel)
	if !ok || in.Op != x86asm.CALL {
		return ""
	}
	return runtime.FuncForPC(uintptr(in.pc + uint64(in.Len) + uint64(int64(to)))).Name()
}

// Panics reports whether the instruction calls a function that does not come back.
func (r *Routine) Panics(i int) bool { return strings.HasPrefix(r.Callee(i), "runtime.panic") }

// All are the instructions for which is reports true.
func (r *Routine) All(is func(in *Instruction) bool) (list []int) {
	for i := range r.Code {
		if is(&r.Code[i]) {
			list = append(list, i)
		}
	}
	return list
}

// Show is an instruction in words.
func (r *Routine) Show(i int) string {
	in := &r.Code[i]
	return fmt.Sprintf("%s: %#x: %s (%s:%d)", r.Name, in.pc, x86asm.GoSyntax(in.Inst, in.pc, nil),
		filepath.Base(in.Source.File), in.Source.Line)
}
