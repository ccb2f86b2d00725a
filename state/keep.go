package state

import (
	"reflect"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/shm"
)

// keeperOf is what tells which object an encoded V keeps; nil if no V keeps any.
func keeperOf[V any]() func([]byte) shm.Ref {
	t := reflect.TypeFor[V]()
	if _, ok := reflect.Zero(t).Interface().(interface {
		handle
		codec.Handle
	}); ok {
		return refOfHandle
	}
	switch t {
	case reflect.TypeFor[shm.Ref]():
		return refOf
	case reflect.TypeFor[attribute]():
		return func(b []byte) shm.Ref {
			if a, err := attribute(b).cut(); err == nil && a.ref {
				return refOf(a.data)
			}
			return shm.Ref{}
		}
	}
	return nil
}

// refOfHandle is the Ref of a handle that was encoded: CBOR has it as a string of bytes.
func refOfHandle(b []byte) shm.Ref {
	if len(b) == 1+refSize && b[0] == shortBytes|refSize {
		return refOf(b[1:])
	}
	return shm.Ref{} // nil
}

const (
	refSize    = 16
	shortBytes = 2 << 5 // the head of a string of less than 24 bytes
)

// refOf is a Ref that was encoded, the zero one if it is none.
func refOf(b []byte) (ref shm.Ref) {
	_ = ref.UnmarshalBinary(b)
	return ref
}
