package codec

import (
	"reflect"
	"strconv"
	"sync"

	"github.com/zeebo/xxh3"
)

// LayoutHash returns a hash of how values of type t lie in memory: kinds, sizes, offsets, array lengths and the
// names of fields, but not the names of types. An int is hashed as the int32 or int64 that it is. Two processes, of
// whatever architecture, get the same hash if the layouts are the same. Of a type that is not plain it hashes
// kinds and field names alone, which is what its encoding depends on; handles are all one kind.
func LayoutHash(t reflect.Type) uint64 {
	if h, ok := layouts.Load(t); ok {
		return h.(uint64)
	}
	h := xxh3.Hash(appendLayout(nil, t, nil))
	layouts.Store(t, h)
	return h
}

// layouts are the hashes that were asked for, each of which takes longer than all else that opening an object does.
var layouts sync.Map // of reflect.Type to uint64

// appendLayout writes t as a line of text, such as {16 A@0 i1;B@8 [2]u4;}. Open holds the types around t: one that
// comes again within itself is written as its distance.
func appendLayout(b []byte, t reflect.Type, open []reflect.Type) []byte {
	for i := range open {
		if open[i] == t {
			return strconv.AppendInt(append(b, '^'), int64(len(open)-i), 10)
		}
	}
	if t.Name() != "" {
		open = append(open, t)
	}

	size := func(letter byte) []byte {
		return strconv.AppendInt(append(b, letter), int64(t.Size()), 10)
	}
	switch t.Kind() {
	case reflect.Bool:
		return append(b, 'b')
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return size('i')
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return size('u')
	case reflect.Float32, reflect.Float64:
		return size('f')
	case reflect.Complex64, reflect.Complex128:
		return size('c')

	case reflect.Array:
		b = strconv.AppendInt(append(b, '['), int64(t.Len()), 10)
		return appendLayout(append(b, ']'), t.Elem(), open)
	case reflect.Slice:
		return appendLayout(append(b, "[]"...), t.Elem(), open)
	case reflect.Pointer:
		return appendLayout(append(b, '*'), t.Elem(), open)
	case reflect.Map:
		b = appendLayout(append(b, "map["...), t.Key(), open)
		return appendLayout(append(b, ']'), t.Elem(), open)

	case reflect.Struct:
		if isHandle(t) {
			return append(b, "handle"...)
		}
		plain := notPlain(t) == nil
		if word, ok := atomicWord(t); ok && plain {
			return appendLayout(b, word, open)
		}
		b = append(b, '{')
		if plain {
			b = strconv.AppendInt(b, int64(t.Size()), 10)
		}
		for i := range t.NumField() {
			f := t.Field(i)
			if plain && f.Name == "_" && f.Type.Size() == 0 {
				continue
			}
			b = append(append(b, ' '), f.Name...)
			if plain {
				b = strconv.AppendInt(append(b, '@'), int64(f.Offset), 10)
			}
			b = append(appendLayout(append(b, ' '), f.Type, open), ';')
		}
		return append(b, '}')
	}
	// string, interface, and what cannot be encoded: the kind is all there is.
	return append(b, t.Kind().String()...)
}

// modelledWords is the package of the words of a build with the tag interleave, which stand for those of
// sync/atomic.
const modelledWords = "github.com/kindred-ipc/kindred/internal/word"

// atomicWord is what a type of sync/atomic wraps.
func atomicWord(t reflect.Type) (reflect.Type, bool) {
	if p := t.PkgPath(); p != "sync/atomic" && p != modelledWords {
		return nil, false
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.Type.Size() == t.Size() {
			return f.Type, true
		}
	}
	return nil, false
}
