package sync

import (
	"fmt"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// shape is what all objects of a kind have in common: S is what lies in the segment.
type shape[S any] struct {
	kind   segment.Kind
	layout func() uint64
	// variants are those that it knows.
	variants uint32
}

func shapeOf[S any](kind segment.Kind, variants uint32) shape[S] {
	return shape[S]{kind: kind, layout: segment.LayoutOf[S](), variants: variants}
}

// place is where an object lies, as a handle knows it.
type place struct {
	seg    *segment.Segment
	off    uint64
	object segment.Object // none if it is part of a user's struct
	kind   segment.Kind
}

// ref names the object, and so passes it on; zero if it is part of a user's struct.
func (p *place) ref() shm.Ref {
	if p.object.Segment() == nil {
		return shm.Ref{}
	}
	return p.object.Ref()
}

// carried is what a handle travels as.
func (p *place) carried() ([]byte, error) { return segment.Carry(p.ref()) }

// arrived makes p that of a handle that can nothing but be resolved.
func (p *place) arrived(b []byte) error {
	var ref shm.Ref
	err := ref.UnmarshalBinary(b)
	p.object = segment.Unresolved(ref)
	return err
}

// resolved is the handle that works of one that arrived.
func resolved[H any](p *place, home any, from func(*shm.Segment, shm.Ref) (*H, error)) (*H, error) {
	ref := p.object.Ref()
	seg, err := shm.Reach(home, ref)
	if err != nil {
		return nil, err
	}
	return from(seg, ref)
}

// noCopy has vet find handles that are copied.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

func (p *place) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	title := p.kind.String()
	if p.object.Segment() != nil {
		title = p.seg.Title(p.kind, p.object.Place())
	}
	return fmt.Errorf("sync: %s %s in segment %s: %w", op, title, p.seg, err)
}

// make makes an object; init, if there is one, sees it before anybody else.
func (k *shape[S]) make(seg *shm.Segment, init func(*S), opts []shm.ObjectOption) (place, *S, error) {
	spec := segment.Spec{Kind: k.kind, Layout: k.layout(), Size: sizeOf[S]()}
	if init != nil {
		spec.Init = func(o segment.Object) { init(bodyOf[S](o)) }
	}
	spec, err := segment.Specify(spec, k.variants, opts)
	if err != nil {
		return place{}, nil, fmt.Errorf("sync: make %s %q in segment %s: %w", k.kind, spec.Name, seg.Engine(), err)
	}
	o, err := seg.Engine().New(spec)
	return k.found(seg, o, "make", spec.Name, err)
}

// Variants of objects.
const (
	bounded = 1 << iota
	tracked
	leaving
)

// settleOn sees to it that the word says how the object is made: the first who comes stores it.
func (p *place) settleOn(w *word.Uint64, made uint64) error {
	if err := p.seg.Writable(); err != nil {
		return p.wrap("make", err)
	}
	if w.CompareAndSwap(0, made) {
		return p.wrap("make", p.seg.Writable())
	}
	if was := w.Load(); was != made {
		return p.wrap("make", p.seg.Sound(fmt.Errorf("made as %#x, and not as %#x: %w", was, made, ErrCount)))
	}
	return nil
}

// variant is what the options say of an object of that kind.
func variant(kind segment.Kind, opts []shm.ObjectOption) uint32 {
	spec := segment.Spec{Kind: kind}
	for _, o := range opts {
		o(&spec)
	}
	return spec.Variant
}

// open finds an object by its name.
func (k *shape[S]) open(seg *shm.Segment, name string) (place, *S, error) {
	o, err := seg.Engine().Lookup(name, k.kind, k.layout())
	return k.found(seg, o, "open", name, err)
}

// from finds an object by its Ref.
func (k *shape[S]) from(seg *shm.Segment, ref shm.Ref) (place, *S, error) {
	o, err := seg.Engine().Resolve(ref, k.kind, k.layout())
	return k.found(seg, o, "resolve", "", err)
}

func (k *shape[S]) found(seg *shm.Segment, o segment.Object, op, name string, err error) (place, *S, error) {
	if err == nil {
		err = o.Holds(sizeOf[S]())
	}
	if err != nil {
		return place{}, nil, fmt.Errorf("sync: %s %s %q in segment %s: %w", op, k.kind, name, seg.Engine(), err)
	}
	return place{seg: seg.Engine(), off: o.Offset(), object: o, kind: k.kind}, bodyOf[S](o), nil
}

// inspect is the body of an object that a tool looks at.
func (k *shape[S]) inspect(o segment.Object) (*S, error) {
	err := o.Expect(k.kind, k.layout())
	if err == nil {
		err = o.Holds(sizeOf[S]())
	}
	if err != nil {
		return nil, err
	}
	return bodyOf[S](o), nil
}
