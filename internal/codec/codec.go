package codec

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/zeebo/xxh3"
)

// A form is how values of a type travel.
type form int

const (
	formPlain  form = iota // a copy of the memory
	formString             // the bytes of a string
	formBytes              // the bytes of a []byte
	formCBOR
	formOwn // whatever its user's functions make of it
)

// A Codec writes values of type T as bytes, and reads them back. Get one from For. It may be used by any number
// of goroutines.
type Codec[T any] struct {
	form    form
	typ     reflect.Type
	padding []spot  // formPlain: what to zero on the way out
	bools   []spot  // formPlain: what to check on the way in
	careful bool    // there is something of either
	shape   *shape  // formCBOR
	direct  *direct // formCBOR that need not go through the library, or nil
	scratch sync.Pool

	name   string // formOwn
	append func([]byte, T) ([]byte, error)
	decode func([]byte, *T) error
}

// Own is a codec of its user's own.
func Own[T any](name string, append func([]byte, T) ([]byte, error), decode func([]byte, *T) error) *Codec[T] {
	return &Codec[T]{form: formOwn, typ: reflect.TypeFor[T](), name: name, append: append, decode: decode}
}

// Layout is the hash of how values travel: see LayoutHash.
func (c *Codec[T]) Layout() uint64 {
	if c.form == formOwn {
		return xxh3.HashString("own " + c.name)
	}
	return LayoutHash(c.typ)
}

// scratch is what one CBOR call works on. The value has its place here because the encoder wants a pointer to it.
type scratch[T any] struct {
	value T
	buf   bytes.Buffer
}

// maxScratch is how large a buffer may be that is kept for the next call.
const maxScratch = 1 << 20

var codecs sync.Map // of reflect.Type to *Codec of that type

// For returns the codec of type T, the same one at each call. The error names the part of T that cannot be
// encoded, and is an ErrUnencodable; on a machine that is not little-endian, plain types are an
// errors.ErrUnsupported.
func For[T any]() (*Codec[T], error) {
	t := reflect.TypeFor[T]()
	if c, ok := codecs.Load(t); ok {
		return c.(*Codec[T]), nil
	}
	c := &Codec[T]{typ: t}
	switch {
	case notPlain(t) == nil:
		if !littleEndian {
			return nil, fmt.Errorf("codec: plain memory of %v on a big-endian machine: %w", t, errors.ErrUnsupported)
		}
		c.form = formPlain
		c.padding = paddingOf(t)
		c.bools = boolsOf(t)
		c.careful = len(c.padding) > 0 || len(c.bools) > 0
	case t.Kind() == reflect.String:
		c.form = formString
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		c.form = formBytes
	default:
		c.form = formCBOR
		c.shape = shapeOf(t)
		if c.shape.fault != nil {
			return nil, c.shape.fault.err(rootName(t))
		}
		if !c.shape.check && !c.shape.tags {
			c.direct = directOf(t)
		}
	}
	first, _ := codecs.LoadOrStore(t, c)
	return first.(*Codec[T]), nil
}

// Plain reports whether values travel as a copy of their memory, all in Size bytes.
func (c *Codec[T]) Plain() bool { return c.form == formPlain }

// Size is the number of bytes of every encoding if T is plain, and 0 if it is not.
func (c *Codec[T]) Size() int {
	if c.form != formPlain {
		return 0
	}
	return sizeOf[T]()
}

// Append writes v behind dst and returns the longer slice. For a plain T it cannot fail, and allocates nothing if
// dst has room for Size bytes. On error it returns dst as it was; the error is an ErrUnencodable and names the path
// to the offending value within v.
func (c *Codec[T]) Append(dst []byte, v T) ([]byte, error) {
	b, _, err := c.AppendLoaded(dst, v)
	return b, err
}

// AppendPlain is Append of a plain T, which stays where it lies: one that is large is copied as often as it is handed on.
func (c *Codec[T]) AppendPlain(dst []byte, v *T) []byte {
	if len(c.padding) == 0 {
		return append(dst, memory(v)...)
	}
	// Padding is zeroed in our own copy: dst may be shared memory, where others could read it before.
	own := *v
	p := memory(&own)
	zero(p, c.padding)
	return append(dst, p...)
}

// Verbatim is what Append writes for a *v whose bytes lie there already, as those of a string, a []byte and plain memory without padding do: it
// is for reading, and for as long as *v is the same. It reports whether they do.
func (c *Codec[T]) Verbatim(v *T) ([]byte, bool) {
	switch c.form {
	case formPlain:
		return memory(v), len(c.padding) == 0
	case formString:
		return textBytes(*asString(v)), true
	case formBytes:
		return *asBytes(v), true
	}
	return nil, false
}

// AppendLoaded is Append that reports whether there are handles in v, which Handles finds.
func (c *Codec[T]) AppendLoaded(dst []byte, v T) (b []byte, loaded bool, err error) {
	switch c.form {
	case formPlain:
		return c.AppendPlain(dst, &v), false, nil
	case formString:
		return append(dst, *asString(&v)...), false, nil
	case formBytes:
		return append(dst, *asBytes(&v)...), false, nil
	case formOwn:
		b, err = c.appendOwn(dst, v)
		return b, false, err
	}
	if c.direct != nil {
		return c.direct.append(dst, place(&v)), false, nil
	}
	return c.appendCBOR(dst, v)
}

// Decode reads into *v what one Append wrote; src is exactly that. What *v held before is gone, and nothing of *v
// refers to src afterwards. On error *v is the zero value. The error is an ErrCorrupt, or a *ResolveError if an object that
// the message names cannot be reached.
//
// Src may lie in memory that another process writes to meanwhile: it is copied before it is looked at.
func (c *Codec[T]) Decode(src []byte, v *T) error { return c.DecodeIn(nil, src, v) }

// DecodeIn is Decode of what came by way of home, which handles are told of (see Handle).
//
// V stays where it lies, if that is no heap: what goes through others' hands is a value of its own.
func (c *Codec[T]) DecodeIn(home any, src []byte, v *T) (err error) {
	switch {
	case c.form != formCBOR && c.form != formOwn:
		return c.decodeFlat(src, v)
	case c.direct != nil && c.decodeDirect(src, v):
		return nil
	}
	own := new(T)
	if c.form == formCBOR {
		err = c.decodeCBOR(home, src, own)
	} else {
		err = c.decodeOwn(src, own)
	}
	*v = *own
	return err
}

// Value is what DecodeIn reads.
func (c *Codec[T]) Value(home any, src []byte) (v T, err error) {
	err = c.DecodeIn(home, src, &v)
	return v, err
}

// decodeDirect is Decode that reports whether the message is one that is read without the library.
func (c *Codec[T]) decodeDirect(src []byte, v *T) bool {
	*v = *new(T)
	s := source{rest: string(src), shared: len(src) <= maxShared}
	return c.direct.read(&s, place(v)) && s.rest == ""
}

// decodeFlat is Decode of what does not travel as CBOR.
func (c *Codec[T]) decodeFlat(src []byte, v *T) error {
	switch c.form {
	case formString:
		*asString(v) = string(src)
		return nil
	case formBytes:
		*asBytes(v) = append([]byte(nil), src...)
		return nil
	}
	p := memory(v)
	if len(src) != len(p) {
		clear(p)
		return fmt.Errorf("codec: %v: %w: %d bytes, not %d", c.typ, ErrCorrupt, len(src), len(p))
	}
	copy(p, src)
	zero(p, c.padding)
	if !areBools(p, c.bools) {
		clear(p)
		return fmt.Errorf("codec: %v: %w: a bool that is neither 0 nor 1", c.typ, ErrCorrupt)
	}
	return nil
}

func (c *Codec[T]) appendCBOR(dst []byte, v T) (b []byte, loaded bool, err error) {
	s := c.takeScratch()
	s.value = v
	var l look
	if c.shape.check {
		value := reflect.ValueOf(&s.value).Elem()
		if !l.part(value, depth{}) {
			return dst, false, c.blame(v, nil)
		}
		if l.typed {
			if err := dress(value); err != nil {
				return dst, false, c.blame(v, err)
			}
		}
	}
	err = encoder().MarshalToBuffer(&s.value, &s.buf)
	if err == nil && c.shape.tags {
		err = checkTags(s.buf.Bytes())
	}
	if err != nil {
		return dst, false, c.blame(v, err)
	}
	dst = append(dst, s.buf.Bytes()...)
	c.putScratch(s)
	return dst, l.handle, nil
}

// blame is the error of an Append of v that failed with the given cause, if any.
func (c *Codec[T]) blame(v T, cause error) error {
	root := rootName(c.typ)
	if err := locate(reflect.ValueOf(&v).Elem(), &trail{root: root}, depth{}); err != nil {
		return err
	}
	return unencodable(root, c.typ, whyTooDeep, cause)
}

func (c *Codec[T]) decodeCBOR(home any, src []byte, v *T) (err error) {
	defer func() {
		// An UnmarshalBinary that trusts its input must not bring down the process.
		if r := recover(); r != nil {
			err = &corruptError{c.typ, fmt.Errorf("panic: %v", r)}
		}
		if err != nil {
			var none T
			*v = none
		}
	}()
	var none T
	*v = none
	s := c.takeScratch()
	s.buf.Write(src)
	mode := strictDecoder
	if c.shape.tags {
		mode = decoder
		err = checkTags(s.buf.Bytes())
	}
	if err == nil {
		err = mode().Unmarshal(s.buf.Bytes(), v)
	}
	if err == nil && (c.shape.open || c.shape.handles) {
		u := undressing{home: home}
		if err = u.undress(reflect.ValueOf(v).Elem()); err != nil {
			drop(reflect.ValueOf(v).Elem(), rootName(c.typ)) // what was resolved before
		}
	}
	var unreached *ResolveError
	if errors.As(err, &unreached) {
		return unreached
	}
	if err != nil {
		return &corruptError{c.typ, err}
	}
	c.putScratch(s)
	return nil
}

func (c *Codec[T]) appendOwn(dst []byte, v T) ([]byte, error) {
	b, err := c.append(nil, v)
	if err != nil {
		return dst, unencodable(rootName(c.typ), c.typ, "", err)
	}
	return append(dst, b...), nil
}

// decodeOwn gives the user's function a copy, which nobody changes.
func (c *Codec[T]) decodeOwn(src []byte, v *T) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
		if err != nil {
			*v = *new(T)
			err = &corruptError{c.typ, err}
		}
	}()
	*v = *new(T)
	return c.decode(bytes.Clone(src), v)
}

func (c *Codec[T]) takeScratch() *scratch[T] {
	if s, ok := c.scratch.Get().(*scratch[T]); ok {
		return s
	}
	return new(scratch[T])
}

// putScratch keeps s for a later call, without what it refers to. After an error or a panic s is left to the
// garbage collector instead.
func (c *Codec[T]) putScratch(s *scratch[T]) {
	if s.buf.Cap() > maxScratch {
		return
	}
	var none T
	s.value = none
	s.buf.Reset()
	c.scratch.Put(s)
}
