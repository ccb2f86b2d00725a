package codec

import (
	"fmt"
	"reflect"
)

// Carries reports whether there may be handles in a T.
func (c *Codec[T]) Carries() bool {
	return c.form == formCBOR && (c.shape.handles || c.shape.open)
}

// Foreign reports whether Decode may run methods of the program's own types, of which it is not known what they do.
func (c *Codec[T]) Foreign() bool {
	return c.form == formOwn || c.form == formCBOR && (c.shape.foreign || c.shape.open)
}

// Handles calls do with each handle in *v, which Append has encoded, and the path to it, until it fails: then with its error, which names
// the path.
func (c *Codec[T]) Handles(v *T, do func(h Handle, path fmt.Stringer) error) error {
	if !c.Carries() {
		return nil
	}
	return eachHandle(reflect.ValueOf(v).Elem(), &trail{root: rootName(c.typ)}, do)
}

// A Dropper is a Handle that has something of this process's, which Drop gives back: it is in a message that nobody receives.
type Dropper interface{ Drop() }

// Drop drops what the handles in *v have, which is decoded.
func (c *Codec[T]) Drop(v *T) {
	if c.Carries() {
		drop(reflect.ValueOf(v).Elem(), rootName(c.typ))
	}
}

func drop(v reflect.Value, root string) {
	_ = eachHandle(v, &trail{root: root}, func(h Handle, _ fmt.Stringer) error {
		if d, ok := h.(Dropper); ok {
			d.Drop()
		}
		return nil
	})
}

func eachHandle(v reflect.Value, at *trail, do func(Handle, fmt.Stringer) error) error {
	s := shapeOf(v.Type())
	if !s.open && !s.handles {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			return eachHandle(v.Elem(), at, do)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if !isHandle(v.Type().Elem()) {
			return eachHandle(v.Elem(), at, do)
		}
		if !v.CanInterface() {
			return nil // within an embedded struct whose type is unexported
		}
		h, _ := reflect.TypeAssert[Handle](v)
		if err := do(h, at); err != nil {
			return AtPath(at, h, err)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := eachHandle(v.Index(i), &trail{up: at, index: i}, do); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for _, i := range s.fields {
			if err := eachHandle(v.Field(i), &trail{up: at, field: v.Type().Field(i).Name}, do); err != nil {
				return err
			}
		}
	case reflect.Map:
		for i := v.MapRange(); i.Next(); {
			if err := eachHandle(i.Key(), &trail{up: at, key: i.Key(), isKey: true}, do); err != nil {
				return err
			}
			if err := eachHandle(i.Value(), &trail{up: at, key: i.Key()}, do); err != nil {
				return err
			}
		}
	}
	return nil
}

// AtPath is the error that something went wrong with a handle.
func AtPath(path fmt.Stringer, h Handle, err error) error {
	return fmt.Errorf("%s: %T: %w", path, h, err)
}
