package codec

import (
	"encoding/binary"
	"math"
	"reflect"
	"strings"
)

// What most messages are, structs, and slices of them, of strings, numbers and bools, is written and read here, without the library. The
// bytes are the library's, to the last one. Of bytes that another could have written in another way, as the same fields in another order,
// nothing is taken: those the library reads, and it says what is wrong with them.

// Kinds of CBOR items, and the simple ones.
const (
	cborUint   = 0 << 5
	cborNegint = 1 << 5
	cborBytes  = 2 << 5
	cborText   = 3 << 5
	cborArray  = 4 << 5
	cborMap    = 5 << 5
	cborFalse  = 7<<5 + 20
	cborTrue   = 7<<5 + 21
	cborNull   = 7<<5 + 22
	cborFloat  = 7<<5 + 26 // of 4 bytes
	cborDouble = 7<<5 + 27
)

// maxShared is how many bytes a message has at most whose strings are parts of one, which one of them keeps whole.
const maxShared = 512

// A direct is how values of a type are written and read without the library.
type direct struct {
	kind   reflect.Kind
	typ    reflect.Type
	fields []directField // of a struct, those that travel
	elem   *direct       // of a slice that is not of bytes
}

type directField struct {
	key    string // the name, as it is written
	offset uintptr
	*direct
}

// directOf is how values of type t, whose shape has no fault and asks for no look at values, are written and read, or nil: by the library.
func directOf(t reflect.Type) *direct {
	p := reflect.PointerTo(t)
	for _, own := range []reflect.Type{cborMarshaler, cborUnmarshaler, binaryMarshaler, binaryUnmarshaler} {
		if p.Implements(own) {
			return nil
		}
	}
	d := &direct{kind: t.Kind(), typ: t}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return d
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return d
		}
		d.elem = directOf(t.Elem())
		if d.elem == nil {
			return nil
		}
		return d
	case reflect.Struct:
		return d.ofFields()
	}
	return nil
}

// ofFields is d, of a struct, with its fields, or nil if their names or their tags are beyond what is done here.
func (d *direct) ofFields() *direct {
	met := map[string]bool{}
	for i := range d.typ.NumField() {
		f := d.typ.Field(i)
		name, left := fieldTag(f)
		switch {
		case f.Anonymous, f.Name == "_" && f.Tag != "", strings.Contains(string(f.Tag), ","):
			return nil
		case left, !f.IsExported():
			continue
		case name == "":
			name = f.Name
		}
		part := directOf(f.Type)
		if part == nil || met[name] {
			return nil
		}
		met[name] = true
		d.fields = append(d.fields, directField{
			key: string(append(appendHead(nil, cborText, uint64(len(name))), name...)), offset: f.Offset, direct: part,
		})
	}
	return d
}

// appendHead writes the head of an item.
func appendHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendHead(b, cborNegint, ^uint64(n))
	}
	return appendHead(b, cborUint, uint64(n))
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, cborTrue)
	}
	return append(b, cborFalse)
}

// A source is a message that is read: a copy of its own, of which strings may be parts.
type source struct {
	rest   string
	shared bool
}

// head takes the head of an item of that kind. It reports whether there is one.
func (s *source) head(major byte) (n uint64, ok bool) {
	if len(s.rest) == 0 || s.rest[0]&(7<<5) != major {
		return 0, false
	}
	n = uint64(s.rest[0] & 31)
	size := 1
	if n >= 24 {
		if size += 1 << (n - 24); n > 27 || len(s.rest) < size {
			return 0, false
		}
		n = 0
		for i := 1; i < size; i++ {
			n = n<<8 | uint64(s.rest[i])
		}
	}
	s.rest = s.rest[size:]
	return n, true
}

// is takes what comes next if it is that.
func (s *source) is(next string) bool {
	ok := strings.HasPrefix(s.rest, next)
	if ok {
		s.rest = s.rest[len(next):]
	}
	return ok
}

// simple takes the first byte of an item without a head of another length.
func (s *source) simple(first byte) bool {
	ok := len(s.rest) > 0 && s.rest[0] == first
	if ok {
		s.rest = s.rest[1:]
	}
	return ok
}

// text takes a string, or bytes, which are a part of the message.
func (s *source) text(major byte) (string, bool) {
	n, ok := s.head(major)
	if !ok || n > uint64(len(s.rest)) {
		return "", false
	}
	text := s.rest[:n]
	s.rest = s.rest[n:]
	return text, true
}

// signed takes an integer of that many bits.
func (s *source) signed(bits uint) (n int64, ok bool) {
	u, ok := s.head(cborUint)
	flip := int64(0)
	if !ok {
		u, ok = s.head(cborNegint)
		flip = -1
	}
	return int64(u) ^ flip, ok && u < 1<<(bits-1)
}

func (s *source) unsigned(bits uint) (n uint64, ok bool) {
	n, ok = s.head(cborUint)
	return n, ok && n>>(bits-1)>>1 == 0
}

func (s *source) boolean() (v, ok bool) {
	v = s.simple(cborTrue)
	return v, v || s.simple(cborFalse)
}

// bits takes the bytes of a float behind its first one.
func (s *source) bits(first byte, size int) (n uint64, ok bool) {
	if len(s.rest) <= size || s.rest[0] != first {
		return 0, false
	}
	for i := 1; i <= size; i++ {
		n = n<<8 | uint64(s.rest[i])
	}
	s.rest = s.rest[1+size:]
	return n, true
}
