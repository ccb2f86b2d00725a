package codec

import (
	"os"
	"reflect"
	"structs"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

type number int16

type point struct {
	X, Y float32
}

// padded has a hole after A and after C, and a blank field.
type padded struct {
	A uint8
	B uint64
	C bool
	_ [3]byte
	D [3]struct {
		E uint32
		F bool
	}
	g number
}

type connection struct {
	ID int
	fd *os.File
}

func (c connection) file() *os.File { return c.fd }

func TestPlainTakesPointerFreeTypes(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[bool](),
		reflect.TypeFor[int](),
		reflect.TypeFor[uint64](),
		reflect.TypeFor[float32](),
		reflect.TypeFor[complex128](),
		reflect.TypeFor[number](),
		reflect.TypeFor[[4][2]point](),
		reflect.TypeFor[struct{}](),
		reflect.TypeFor[padded](),
		reflect.TypeFor[atomic.Int64](),
		reflect.TypeFor[[0]func()](),
		reflect.TypeFor[struct {
			_ structs.HostLayout
			A int8
		}](),
	} {
		require.NoError(t, Plain(typ), "%v", typ)
	}
}

func TestPlainNamesTheOffendingField(t *testing.T) {
	type Args struct {
		Name number
		Conn connection
	}
	type Addressed struct{ At [2]uintptr }
	type Jobs struct {
		List [3]struct{ Name string }
	}
	require.Nil(t, Args{}.Conn.file())
	for _, c := range []struct {
		typ  reflect.Type
		kind reflect.Kind
		path string
		text string
	}{
		{reflect.TypeFor[Args](), reflect.Pointer, "Args.Conn.fd", "codec: Args.Conn.fd: *os.File holds a pointer"},
		{reflect.TypeFor[Addressed](), reflect.Uintptr, "Addressed.At[]", "codec: Addressed.At[]: uintptr is an address in one process"},
		{reflect.TypeFor[Jobs](), reflect.String, "Jobs.List[].Name", "codec: Jobs.List[].Name: string holds a pointer"},
		{reflect.TypeFor[string](), reflect.String, "string", "codec: string holds a pointer"},
		{reflect.TypeFor[[]int](), reflect.Slice, "[]int", "codec: []int holds a pointer"},
		{reflect.TypeFor[any](), reflect.Interface, "any", "codec: interface {} holds a pointer"},
		{reflect.TypeFor[struct{ C chan int }](), reflect.Chan, "struct { C chan int }.C", "codec: struct { C chan int }.C: chan int holds a pointer"},
		{reflect.TypeFor[atomic.Pointer[int]](), reflect.UnsafePointer, "Pointer[int].v", "codec: Pointer[int].v: unsafe.Pointer holds a pointer"},
		{reflect.TypeFor[map[int]int](), reflect.Map, "map[int]int", "codec: map[int]int holds a pointer"},
		{reflect.TypeFor[func()](), reflect.Func, "func()", "codec: func() holds a pointer"},
	} {
		var e *PlainError
		require.ErrorAs(t, Plain(c.typ), &e)
		require.Equal(t, c.kind, e.Kind)
		require.Equal(t, c.kind, e.Type.Kind())
		require.Equal(t, c.path, e.Path)
		require.Equal(t, c.text, e.Error())
	}
}

func TestPaddingIsEveryByteOfNoField(t *testing.T) {
	var p padded
	bytes := memory(&p)
	for i := range bytes {
		bytes[i] = 0xff
	}
	zero(bytes, paddingOf(reflect.TypeFor[padded]()))

	want := make([]byte, unsafe.Sizeof(p))
	fill := func(offset, size uintptr) {
		for i := offset; i < offset+size; i++ {
			want[i] = 0xff
		}
	}
	fill(unsafe.Offsetof(p.A), 1)
	fill(unsafe.Offsetof(p.B), 8)
	fill(unsafe.Offsetof(p.C), 1)
	for i := range p.D {
		element := unsafe.Offsetof(p.D) + uintptr(i)*unsafe.Sizeof(p.D[0])
		fill(element+unsafe.Offsetof(p.D[0].E), 4)
		fill(element+unsafe.Offsetof(p.D[0].F), 1)
	}
	fill(unsafe.Offsetof(p.g), 2)
	require.Equal(t, want, bytes)
}

func TestTypesWithoutPaddingHaveNoSpots(t *testing.T) {
	require.Empty(t, paddingOf(reflect.TypeFor[[8]point]()))
	require.Empty(t, boolsOf(reflect.TypeFor[[8]point]()))
	require.Equal(t, []spot{{size: 12}}, boolsOf(reflect.TypeFor[[3][4]bool]()))
}
