package codec

import (
	"reflect"
	"structs"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

type samePoint struct {
	X, Y float32
}

type tree struct {
	Name     string
	Children []tree
	Up       *tree
}

// The hashes are written into segments: they must not change, nor differ between architectures.
func TestLayoutHashIsStable(t *testing.T) {
	type header struct {
		Magic  [4]uint8
		Length uint32
		Stamp  uint64
		Closed bool
		_      [7]uint8
		Ratio  complex64
	}
	for _, c := range []struct {
		typ    reflect.Type
		layout string
		hash   uint64
	}{
		{reflect.TypeFor[uint64](), "u8", 0x4aaf0db10a5c9ea2},
		{reflect.TypeFor[point](), "{8 X@0 f4; Y@4 f4;}", 0x24b1225113a5ff98},
		{reflect.TypeFor[header](), "{32 Magic@0 [4]u1; Length@4 u4; Stamp@8 u8; Closed@16 b; _@17 [7]u1; Ratio@24 c8;}", 0xb7055061a632c29},
		{reflect.TypeFor[struct {
			_     structs.HostLayout
			Turn  atomic.Uint64
			State atomic.Int32
			Last  atomic.Bool
		}](), "{16 Turn@0 u8; State@8 i4; Last@12 u4;}", 0x9c467682ab84c970},
		{reflect.TypeFor[tree](), "{ Name string; Children []^1; Up *^1;}", 0x335848ed78d0bb86},
		{reflect.TypeFor[map[string]any](), "map[string]interface", 0x93791b654b231feb},
	} {
		require.Equal(t, c.layout, string(appendLayout(nil, c.typ, nil)))
		require.Equal(t, c.hash, LayoutHash(c.typ), "%v", c.typ)
	}
}

func TestLayoutHashKnowsLayoutsApart(t *testing.T) {
	seen := map[uint64]reflect.Type{}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[bool](),
		reflect.TypeFor[int8](),
		reflect.TypeFor[uint8](),
		reflect.TypeFor[int32](),
		reflect.TypeFor[float32](),
		reflect.TypeFor[[4]uint8](),
		reflect.TypeFor[[5]uint8](),
		reflect.TypeFor[[]uint8](),
		reflect.TypeFor[struct{ A, B int8 }](),
		reflect.TypeFor[struct{ B, A int8 }](),
		reflect.TypeFor[struct {
			A int8
			B int16
		}](),
		reflect.TypeFor[struct{ A [2]int8 }](),
		reflect.TypeFor[string](),
		reflect.TypeFor[*string](),
		reflect.TypeFor[[]string](),
		reflect.TypeFor[map[string]string](),
		reflect.TypeFor[struct{ A string }](),
		reflect.TypeFor[struct{ B string }](),
		reflect.TypeFor[any](),
		reflect.TypeFor[tree](),
	} {
		hash := LayoutHash(typ)
		require.NotContains(t, seen, hash, "%v", typ)
		seen[hash] = typ
	}
}

func TestLayoutHashIgnoresTheNamesOfTypes(t *testing.T) {
	require.Equal(t, LayoutHash(reflect.TypeFor[point]()), LayoutHash(reflect.TypeFor[samePoint]()))
	require.Equal(t, LayoutHash(reflect.TypeFor[int16]()), LayoutHash(reflect.TypeFor[number]()))
	if reflect.TypeFor[int]().Size() == 8 {
		require.Equal(t, LayoutHash(reflect.TypeFor[int64]()), LayoutHash(reflect.TypeFor[int]()))
	} else {
		require.Equal(t, LayoutHash(reflect.TypeFor[int32]()), LayoutHash(reflect.TypeFor[int]()))
	}
}
