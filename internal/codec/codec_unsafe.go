package codec

import "unsafe"

// memory is the bytes of *v, which must be of a plain type: writing pointers this way would hide them from the
// garbage collector. It is valid as long as v is.
func memory[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// asString is *v under its underlying type, which must be string.
func asString[T any](v *T) *string { return (*string)(unsafe.Pointer(v)) }

// asBytes is *v under its underlying type, which must be a slice of a byte type.
func asBytes[T any](v *T) *[]byte { return (*[]byte)(unsafe.Pointer(v)) }

// memoryOf is the bytes of vs, which are of a plain type: see memory.
func memoryOf[T any](vs []T) []byte {
	if len(vs) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(vs))), uintptr(len(vs))*unsafe.Sizeof(vs[0]))
}

func sizeOf[T any]() int { return int(unsafe.Sizeof(*new(T))) }

// valueAt is the value of a plain type whose bytes are the first of b.
func valueAt[T any](b []byte) *T {
	_ = b[sizeOf[T]()-1]
	return (*T)(unsafe.Pointer(unsafe.SliceData(b)))
}

// valuesIn is the values of a plain type that lie in b.
func valuesIn[T any](b []byte) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/sizeOf[T]())
}

// textBytes is the text of s, which nobody writes to.
func textBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
