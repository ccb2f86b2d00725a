package codec

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// invoice is read and written without the library.
type invoice struct {
	Number  uint64
	Name    string
	Paid    bool
	I8      int8
	I16     int16
	I32     int32
	I64     int64
	I       int
	U8      uint8
	U16     uint16
	U32     uint32
	U       uint
	F32     float32
	F64     float64
	Data    []byte
	Lines   []line
	Words   []string
	Address line
	Renamed string `cbor:"a name that is longer than twenty-three bytes"`
	Left    string `cbor:"-"`
	//lint:ignore U1000 what is not exported does not travel
	hidden int
}

type line struct {
	Text  string `json:"t"`
	Count int
	Of    []uint16
}

var anyLine = rapid.Custom(func(t *rapid.T) line {
	return line{anyText.Draw(t, "Text"), rapid.Int().Draw(t, "Count"), rapid.SliceOfN(rapid.Uint16(), -1, 3).Draw(t, "Of")}
})

var anyInvoice = rapid.Custom(func(t *rapid.T) invoice {
	return invoice{
		Number: rapid.Uint64().Draw(t, "Number"), Name: anyText.Draw(t, "Name"), Paid: rapid.Bool().Draw(t, "Paid"),
		I8: rapid.Int8().Draw(t, "I8"), I16: rapid.Int16().Draw(t, "I16"), I32: rapid.Int32().Draw(t, "I32"),
		I64: rapid.Int64().Draw(t, "I64"), I: rapid.Int().Draw(t, "I"),
		U8: rapid.Uint8().Draw(t, "U8"), U16: rapid.Uint16().Draw(t, "U16"), U32: rapid.Uint32().Draw(t, "U32"),
		U: rapid.Uint().Draw(t, "U"), F32: rapid.Float32().Draw(t, "F32"), F64: rapid.Float64().Draw(t, "F64"),
		Data: anyBytes.Draw(t, "Data"), Lines: rapid.SliceOfN(anyLine, -1, 3).Draw(t, "Lines"),
		Words: rapid.SliceOfN(anyText, -1, 3).Draw(t, "Words"), Address: anyLine.Draw(t, "Address"),
		Renamed: anyText.Draw(t, "Renamed"),
	}
})

// library is c that does everything by way of the library.
func library[T any](c *Codec[T]) *Codec[T] {
	return &Codec[T]{form: c.form, typ: c.typ, shape: c.shape}
}

// written is v as Go has it, in which one NaN is as good as another.
func written(v any) string { return fmt.Sprintf("%#v", v) }

func testLikeTheLibrary[T any](t *testing.T, values *rapid.Generator[T]) {
	c := codecFor[T](t)
	require.NotNil(t, c.direct)
	l := library(c)
	rapid.Check(t, func(t *rapid.T) {
		in := values.Draw(t, "value")
		b, err := c.Append(nil, in)
		require.NoError(t, err)
		want, err := l.Append(nil, in)
		require.NoError(t, err)
		require.Equal(t, want, b)

		var out T
		require.True(t, c.decodeDirect(b, &out))
		require.Equal(t, in, out)

		// What is damaged, too, is to both the same, or to the library alone.
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		b = b[:len(b)-max(0, min(rapid.IntRange(-5, 3).Draw(t, "cut"), len(b)))]
		got, wanted := *new(T), *new(T)
		if c.decodeDirect(b, &got) {
			require.NoError(t, l.Decode(b, &wanted))
			require.Equal(t, written(wanted), written(got))
		}
		err = c.Decode(b, &got)
		require.Equal(t, l.Decode(b, &wanted), err)
		require.Equal(t, written(wanted), written(got))
	})
}

func TestWhatIsWrittenWithoutTheLibraryIsWhatTheLibraryWrites(t *testing.T) {
	t.Run("structs", func(t *testing.T) { testLikeTheLibrary(t, anyInvoice) })
	t.Run("slices", func(t *testing.T) { testLikeTheLibrary(t, rapid.SliceOfN(anyText, -1, 40)) })
	t.Run("numbers", func(t *testing.T) { testLikeTheLibrary(t, rapid.SliceOfN(rapid.Int16(), -1, 300)) })
}

func TestNumbersAtTheirEndsTravelWithoutTheLibrary(t *testing.T) {
	for _, in := range []invoice{
		{I8: math.MinInt8, I16: math.MinInt16, I32: math.MinInt32, I64: math.MinInt64, I: math.MinInt},
		{I8: math.MaxInt8, I16: math.MaxInt16, I32: math.MaxInt32, I64: math.MaxInt64, I: math.MaxInt},
		{U8: math.MaxUint8, U16: math.MaxUint16, U32: math.MaxUint32, U: math.MaxUint, Number: math.MaxUint64},
		{F32: float32(math.Inf(-1)), F64: math.Inf(1)},
		{Left: "", Data: []byte{}, Lines: []line{}, Words: []string{}},
		{Name: string(make([]byte, 70_000)), Data: make([]byte, 300)},
	} {
		c := codecFor[invoice](t)
		b, err := c.Append(nil, in)
		require.NoError(t, err)
		want, err := library(c).Append(nil, in)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, b))
		var out invoice
		require.True(t, c.decodeDirect(b, &out))
		require.Equal(t, in, out)
	}
}

// What is not plain to see from the type alone is left to the library.
func TestWhatTheLibraryIsFor(t *testing.T) {
	type embedded struct{ line }
	type omits struct {
		Name string `json:"name,omitempty"`
	}
	type twice struct {
		A string `cbor:"x"`
		B string `cbor:"x"`
	}
	for _, v := range []any{
		map[string]int{}, []*int{}, []any{}, embedded{}, omits{}, twice{}, [2]string{}, message{}, line{}.Of,
	} {
		typ := reflect.TypeOf(v)
		if typ == reflect.TypeFor[[]uint16]() {
			require.NotNil(t, directOf(typ), "the control")
			continue
		}
		require.Nil(t, directOf(typ), "%v", typ)
	}
	require.Nil(t, codecFor[struct{ V any }](t).direct)
	require.Nil(t, codecFor[readsItself](t).direct, "it has an unmarshaler alone")
}

type readsItself struct{ Name string }

func (*readsItself) UnmarshalBinary([]byte) error { return nil }

// A short message is one string, of which its strings are parts; a string of a long one does not keep the whole.
func TestStringsOfALongMessageAreTheirOwn(t *testing.T) {
	c := codecFor[line](t)
	decode := func(in line) (allocated float64) {
		b, err := c.Append(nil, in)
		require.NoError(t, err)
		var out line
		return testing.AllocsPerRun(100, func() { _ = c.Decode(b, &out) })
	}
	require.Equal(t, 1.0, decode(line{Text: "short"}))
	require.Equal(t, 2.0, decode(line{Text: string(make([]byte, maxShared))}))
}
