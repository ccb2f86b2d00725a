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
