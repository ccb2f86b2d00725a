package state

import (
	"reflect"

	"github.com/kindred-ipc/kindred/shm"
)

// keeperOf is what tells which object an encoded V keeps; nil if no V keeps any.
func keeperOf[V any]() func([]byte) shm.Ref {
	switch reflect.TypeFor[V]() {
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

// refOf is a Ref that was encoded, the zero one if it is none.
func refOf(b []byte) (ref shm.Ref) {
	_ = ref.UnmarshalBinary(b)
	return ref
}
