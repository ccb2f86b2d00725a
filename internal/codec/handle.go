package codec

import (
	"encoding"
	"fmt"
	"reflect"
)

// A Handle is what the objects of a segment are to Go: a pointer to a struct of which nothing travels but what names the
// object (MarshalBinary), and of which the receiver makes a handle of its own. UnmarshalBinary makes one that can nothing but be
// resolved. Beside these methods it has
//
//	Resolve(home any) (*T, error)
//
// on *T, which returns the handle of the object that it names in a segment of this process; home is the one that the message came
// through, if there is one.
type Handle interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

const resolveMethod = "Resolve"

var (
	handleType = reflect.TypeFor[Handle]()
	errorType  = reflect.TypeFor[error]()
)

// A ResolveError is what Decode fails with when an object that a message names cannot be reached.
type ResolveError struct {
	Type reflect.Type // of the handle
	Err  error
}

func (e *ResolveError) Error() string { return fmt.Sprintf("codec: %v: %v", e.Type, e.Err) }

// Unwrap is why not.
func (e *ResolveError) Unwrap() error { return e.Err }

// isHandle reports whether *t is a Handle.
func isHandle(t reflect.Type) bool { return resolves(t) == reflect.PointerTo(t) }

// resolves is the type of the handle that Resolve of *t returns, or nil. It is another than *t if t embeds a handle, and
// so has its methods.
func resolves(t reflect.Type) reflect.Type {
	p := reflect.PointerTo(t)
	if t.Kind() != reflect.Struct || !p.Implements(handleType) {
		return nil
	}
	m, ok := p.MethodByName(resolveMethod)
	if !ok || m.Type.NumIn() != 2 || m.Type.In(1) != anyType || m.Type.NumOut() != 2 || m.Type.Out(1) != errorType {
		return nil
	}
	return m.Type.Out(0)
}

// resolve puts the handle that works in the place of v, which is one.
func resolve(v reflect.Value, home any) error {
	in := reflect.New(anyType).Elem()
	if home != nil {
		in.Set(reflect.ValueOf(home))
	}
	out := v.MethodByName(resolveMethod).Call([]reflect.Value{in})
	if err, _ := reflect.TypeAssert[error](out[1]); err != nil {
		return &ResolveError{v.Type(), err}
	}
	v.Set(out[0])
	return nil
}
