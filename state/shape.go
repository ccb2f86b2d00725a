package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"weak"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// place is where an object lies, as a handle knows it.
type place struct {
	seg  *segment.Segment
	off  uint64
	ref  shm.Ref
	kind segment.Kind
}

// noCopy has vet find handles that are copied.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

func placeOf(o segment.Object) place {
	return place{seg: o.Segment(), off: o.Offset(), ref: o.Ref(), kind: o.Kind()}
}

func (p *place) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("state: %s %s in segment %s: %w", op, p.seg.Title(p.kind, p.ref.Place()), p.seg, err)
}

// refuse is wrap for an object that there is no handle of.
func refuse(op string, kind segment.Kind, name string, seg *shm.Segment, err error) error {
	return fmt.Errorf("state: %s %s %q in segment %s: %w", op, kind, name, seg.Engine(), err)
}

// readable is nil unless the segment was closed: what was read before then was not Close's zeros.
func (p *place) readable() error {
	if p.seg.Self() == 0 && p.seg.IsClosed() {
		return ErrClosed
	}
	return nil
}

// plain is the codec of a type that lies in the segment as it is.
func plain[T any]() (*codec.Codec[T], error) {
	if err := codec.Plain(reflect.TypeFor[T]()); err != nil {
		return nil, err
	}
	return codec.For[T]()
}

// atClose has f called when the segment is closed, or is already, if the handle is still in use then.
func atClose[H any](seg *segment.Segment, handle *H, f func(*H)) {
	w := weak.Make(handle)
	remove := seg.OnClose(func() {
		if h := w.Value(); h != nil {
			f(h)
		}
	})
	runtime.AddCleanup(handle, func(remove func()) { remove() }, remove)
}

// hold takes a lock under which every store leaves what is there consistent, so that nothing is to be
// repaired after a death.
func hold(ctx context.Context, l *segment.Lock) error {
	if l.TryLock() {
		return nil
	}
	err := l.LockSlow(ctx)
	if errors.Is(err, segment.ErrOwnerDied) {
		err = l.MarkConsistent()
	}
	return err
}

// clean is *v as a word, whose padding is zeroed. T is a word.
func clean[T any](c *codec.Codec[T], v *T) uint64 {
	c.Clean(v)
	return wordOf(v)
}

// same reports whether two values are the same bit by bit, but for their padding.
func same[T any](c *codec.Codec[T], a, b *T) bool {
	c.Clean(a)
	c.Clean(b)
	return bytes.Equal(bytesOf(a), bytesOf(b))
}
