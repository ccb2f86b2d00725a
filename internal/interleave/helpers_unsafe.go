//go:build interleave && (linux || darwin)

package interleave

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// Words makes an object of n words. All processes see it at the same address.
func (p *Process) Words(n int) []word.Uint64 {
	o := p.raw(uint64(n) * 8)
	return unsafe.Slice((*word.Uint64)(o.Pointer()), n)
}

// Event makes an Event, and says where it lies.
func (p *Process) Event() (*futex.Event, uint64) {
	o := p.raw(16)
	return (*futex.Event)(o.Pointer()), o.Offset()
}

func (p *Process) raw(size uint64) (o segment.Object) {
	p.Do(func() {
		var err error
		o, err = p.Segment.New(segment.Spec{Kind: segment.KindRaw, Size: size, Align: segment.Line})
		p.NoError(err)
	})
	return o
}
