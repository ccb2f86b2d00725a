package crashlab

import (
	"bytes"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// isCall reports whether the instruction at pc is a system call. The victim is this same program, at
// the same addresses; what is not in it is the vDSO, where no call is made that anybody sees.
func isCall(pc uint64) bool {
	return runtime.FuncForPC(uintptr(pc)) != nil && bytes.Equal(text(pc, 2), []byte{0x0f, 0x05})
}

// place says where the thread is: function, file and line, innermost first.
func (t *tracer) place() string {
	regs, err := t.registers()
	if err != nil {
		return err.Error()
	}
	pcs := []uintptr{uintptr(regs.Rip) + 1} // CallersFrames looks at the instruction before
	for frame := uint64(regs.Rbp); frame != 0 && len(pcs) < 12; {
		var words [2]uint64
		if !t.peek(frame, words[:]) || words[1] == 0 {
			break
		}
		pcs = append(pcs, uintptr(words[1]))
		if words[0] <= frame {
			break
		}
		frame = words[0]
	}
	return frames(pcs)
}

// frames names program counters, and leaves the lab's own out.
func frames(pcs []uintptr) string {
	var all []string
	for it := runtime.CallersFrames(pcs); ; {
		f, more := it.Next()
		name := strings.TrimPrefix(f.Function, "github.com/kindred-ipc/kindred/")
		if strings.HasPrefix(name, "internal/crashlab.(*child).") {
			break
		}
		all = append(all, fmt.Sprintf("%s (%s:%d)", name, filepath.Base(f.File), f.Line))
		if !more {
			break
		}
	}
	return strings.Join(all, " < ")
}

// describe is the registers of an event, for people.
func (t *tracer) describe() string {
	r, err := t.registers()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("rip %#x rsp %#x rbp %#x flags %#x\nrax %#x rbx %#x rcx %#x rdx %#x rsi %#x rdi %#x\n"+
		"r8 %#x r9 %#x r10 %#x r11 %#x r12 %#x r13 %#x r14 %#x r15 %#x",
		r.Rip, r.Rsp, r.Rbp, r.Eflags, r.Rax, r.Rbx, r.Rcx, r.Rdx, r.Rsi, r.Rdi,
		r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15)
}
