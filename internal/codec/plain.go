package codec

import "reflect"

// Plain reports nil if values of type t are plain memory: of fixed size and without pointers, so that a copy of
// the bytes is a copy of the value in whatever process. These are booleans, integers but uintptr, floats, complex
// numbers, arrays and structs of them, and all types named after them. An array of no elements is plain whatever
// its element type. For any other type the error is a *PlainError that names the offending field.
func Plain(t reflect.Type) error {
	if e := notPlain(t); e != nil {
		e.Path = rootName(t) + e.Path
		return e
	}
	return nil
}

// notPlain returns the first offence of t, its path relative to t, or nil. It ends: a type can only contain
// itself through a pointer, and a pointer ends the search.
func notPlain(t reflect.Type) *PlainError {
	switch t.Kind() {
	case reflect.Bool,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return nil

	case reflect.Array:
		if t.Len() == 0 {
			return nil
		}
		e := notPlain(t.Elem())
		if e != nil {
			e.Path = "[]" + e.Path
		}
		return e

	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if e := notPlain(f.Type); e != nil {
				e.Path = "." + f.Name + e.Path
				return e
			}
		}
		return nil
	}
	return &PlainError{Type: t, Kind: t.Kind()}
}
