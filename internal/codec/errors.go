package codec

import (
	"errors"
	"fmt"
	"reflect"
)

var (
	// ErrUnencodable is found in the errors of For and Append about a type or a value that cannot be encoded.
	ErrUnencodable = errors.New("cannot be encoded")

	// ErrCorrupt is found in every error of Decode: the bytes are not what Append wrote for this type.
	ErrCorrupt = errors.New("corrupt encoding")
)

// A PlainError says why a type is not plain memory.
type PlainError struct {
	Type reflect.Type // the offending type
	Path string       // where it stands in the type asked about, as Args.Conn.fd
	Kind reflect.Kind // its kind
}

func (e *PlainError) Error() string {
	what := "holds a pointer"
	if e.Kind == reflect.Uintptr {
		what = "is an address in one process"
	}
	if e.Path == rootName(e.Type) {
		return fmt.Sprintf("codec: %v %s", e.Type, what)
	}
	return fmt.Sprintf("codec: %s: %v %s", e.Path, e.Type, what)
}

// unencodable is the one form of all errors around ErrUnencodable. Why and cause may be missing.
func unencodable(path string, t reflect.Type, why string, cause error) error {
	at := path + ": "
	if path == rootName(t) {
		at = ""
	}
	switch {
	case cause != nil:
		return fmt.Errorf("codec: %s%v %w: %w", at, t, ErrUnencodable, cause)
	case why != "":
		return fmt.Errorf("codec: %s%v %w: %s", at, t, ErrUnencodable, why)
	}
	return fmt.Errorf("codec: %s%v %w", at, t, ErrUnencodable)
}

// corruptError keeps the cause for errors.As, but shows only the beginning of its text, which may quote the
// hostile input at any length.
type corruptError struct {
	typ   reflect.Type
	cause error
}

func (e *corruptError) Error() string {
	const limit = 200
	text := e.cause.Error()
	if len(text) > limit {
		text = text[:limit] + "..."
	}
	return fmt.Sprintf("codec: %v: %v: %s", e.typ, ErrCorrupt, text)
}

func (e *corruptError) Unwrap() []error { return []error{ErrCorrupt, e.cause} }

// rootName is what paths into a value of type t begin with.
func rootName(t reflect.Type) string {
	switch name := t.Name(); {
	case name != "":
		return name
	case t == reflect.TypeFor[any]():
		return "any"
	}
	return t.String()
}
