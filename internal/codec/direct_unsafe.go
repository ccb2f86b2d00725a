package codec

import (
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"unsafe"
)

// A header is what a slice is in memory.
type header struct {
	data     unsafe.Pointer
	len, cap int
}

// place is where *v lies, for a direct of its type.
func place[T any](v *T) unsafe.Pointer { return unsafe.Pointer(v) }

// append writes the value at p, which is of d's type.
func (d *direct) append(b []byte, p unsafe.Pointer) []byte {
	switch d.kind {
	case reflect.Bool:
		return appendBool(b, *(*bool)(p))
	case reflect.String:
		s := *(*string)(p)
		return append(appendHead(b, cborText, uint64(len(s))), s...)
	case reflect.Int:
		return appendInt(b, int64(*(*int)(p)))
	case reflect.Int8:
		return appendInt(b, int64(*(*int8)(p)))
	case reflect.Int16:
		return appendInt(b, int64(*(*int16)(p)))
	case reflect.Int32:
		return appendInt(b, int64(*(*int32)(p)))
	case reflect.Int64:
		return appendInt(b, *(*int64)(p))
	case reflect.Uint:
		return appendHead(b, cborUint, uint64(*(*uint)(p)))
	case reflect.Uint8:
		return appendHead(b, cborUint, uint64(*(*uint8)(p)))
	case reflect.Uint16:
		return appendHead(b, cborUint, uint64(*(*uint16)(p)))
	case reflect.Uint32:
		return appendHead(b, cborUint, uint64(*(*uint32)(p)))
	case reflect.Uint64:
		return appendHead(b, cborUint, *(*uint64)(p))
	case reflect.Float32:
		return binary.BigEndian.AppendUint32(append(b, cborFloat), math.Float32bits(*(*float32)(p)))
	case reflect.Float64:
		return binary.BigEndian.AppendUint64(append(b, cborDouble), math.Float64bits(*(*float64)(p)))
	case reflect.Slice:
		return d.appendSlice(b, p)
	}
	b = appendHead(b, cborMap, uint64(len(d.fields)))
	for i := range d.fields {
		f := &d.fields[i]
		b = f.append(append(b, f.key...), unsafe.Add(p, f.offset))
	}
	return b
}

func (d *direct) appendSlice(b []byte, p unsafe.Pointer) []byte {
	h := (*header)(p)
	switch {
	case h.data == nil:
		return append(b, cborNull)
	case d.elem == nil:
		bytes := *(*[]byte)(p)
		return append(appendHead(b, cborBytes, uint64(len(bytes))), bytes...)
	}
	b = appendHead(b, cborArray, uint64(h.len))
	for i := range uintptr(h.len) {
		b = d.elem.append(b, unsafe.Add(h.data, i*d.elem.typ.Size()))
	}
	return b
}

// read reads the value at p, which is the zero of d's type. It reports whether it could; if not, the value is anything.
func (d *direct) read(s *source, p unsafe.Pointer) (ok bool) {
	var n int64
	var u uint64
	switch d.kind {
	case reflect.Bool:
		*(*bool)(p), ok = s.boolean()
	case reflect.String:
		text, found := s.text(cborText)
		if !s.shared {
			text = strings.Clone(text)
		}
		*(*string)(p), ok = text, found
	case reflect.Int:
		n, ok = s.signed(8 * uint(unsafe.Sizeof(int(0))))
		*(*int)(p) = int(n)
	case reflect.Int8:
		n, ok = s.signed(8)
		*(*int8)(p) = int8(n)
	case reflect.Int16:
		n, ok = s.signed(16)
		*(*int16)(p) = int16(n)
	case reflect.Int32:
		n, ok = s.signed(32)
		*(*int32)(p) = int32(n)
	case reflect.Int64:
		*(*int64)(p), ok = s.signed(64)
	case reflect.Uint:
		u, ok = s.unsigned(8 * uint(unsafe.Sizeof(uint(0))))
		*(*uint)(p) = uint(u)
	case reflect.Uint8:
		u, ok = s.unsigned(8)
		*(*uint8)(p) = uint8(u)
	case reflect.Uint16:
		u, ok = s.unsigned(16)
		*(*uint16)(p) = uint16(u)
	case reflect.Uint32:
		u, ok = s.unsigned(32)
		*(*uint32)(p) = uint32(u)
	case reflect.Uint64:
		*(*uint64)(p), ok = s.unsigned(64)
	case reflect.Float32:
		u, ok = s.bits(cborFloat, 4)
		*(*float32)(p) = math.Float32frombits(uint32(u))
	case reflect.Float64:
		u, ok = s.bits(cborDouble, 8)
		*(*float64)(p) = math.Float64frombits(u)
	case reflect.Slice:
		return s.simple(cborNull) || d.readSlice(s, p)
	case reflect.Struct:
		return d.readFields(s, p)
	}
	return ok
}

func (d *direct) readFields(s *source, p unsafe.Pointer) bool {
	if n, ok := s.head(cborMap); !ok || n != uint64(len(d.fields)) {
		return false
	}
	for i := range d.fields {
		f := &d.fields[i]
		if !s.is(f.key) || !f.read(s, unsafe.Add(p, f.offset)) {
			return false
		}
	}
	return true
}

func (d *direct) readSlice(s *source, p unsafe.Pointer) bool {
	if d.elem == nil {
		text, ok := s.text(cborBytes)
		*(*[]byte)(p) = append([]byte{}, text...)
		return ok
	}
	n, ok := s.head(cborArray)
	if !ok || n > uint64(len(s.rest)) { // each element takes a byte at least
		return false
	}
	elements := reflect.MakeSlice(d.typ, int(n), int(n)).UnsafePointer()
	*(*header)(p) = header{data: elements, len: int(n), cap: int(n)}
	for i := range uintptr(n) {
		if !d.elem.read(s, unsafe.Add(elements, i*d.elem.typ.Size())) {
			return false
		}
	}
	return true
}
