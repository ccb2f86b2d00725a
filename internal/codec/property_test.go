package codec

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type leaf struct {
	I8  int8
	U16 uint16
	F32 float32
	On  bool
	Raw [5]byte
}

type message struct {
	Name   string
	Count  int
	Big    uint64
	Ratio  float64
	Data   []byte
	Leaf   leaf
	Leaves []leaf
	ByName map[string]leaf
	ByKey  map[[2]int16]string
	Opt    *leaf
	Self   *message
	Tagged int `cbor:"1,keyasint"`
	named
}

type named struct {
	Alias []string
}

var anyBytes = rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOf(rapid.Byte()))

// anyText holds invalid UTF-8 as well.
var anyText = rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })

var anyLeaf = rapid.Custom(func(t *rapid.T) leaf {
	l := leaf{
		I8:  rapid.Int8().Draw(t, "I8"),
		U16: rapid.Uint16().Draw(t, "U16"),
		F32: rapid.Float32().Draw(t, "F32"),
		On:  rapid.Bool().Draw(t, "On"),
	}
	for i := range l.Raw {
		l.Raw[i] = rapid.Byte().Draw(t, "Raw")
	}
	return l
})

func anyMessage(depth int) *rapid.Generator[message] {
	return rapid.Custom(func(t *rapid.T) message {
		m := message{
			Name:   anyText.Draw(t, "Name"),
			Count:  rapid.Int().Draw(t, "Count"),
			Big:    rapid.Uint64().Draw(t, "Big"),
			Ratio:  rapid.Float64().Draw(t, "Ratio"),
			Data:   anyBytes.Draw(t, "Data"),
			Leaf:   anyLeaf.Draw(t, "Leaf"),
			Leaves: rapid.SliceOfN(anyLeaf, 0, 4).Draw(t, "Leaves"),
			ByName: rapid.MapOfN(anyText, anyLeaf, 0, 4).Draw(t, "ByName"),
			ByKey:  map[[2]int16]string{{rapid.Int16().Draw(t, "key"), 1}: anyText.Draw(t, "value")},
			Opt:    rapid.Ptr(anyLeaf, true).Draw(t, "Opt"),
			Tagged: rapid.Int().Draw(t, "Tagged"),
			named:  named{rapid.SliceOfN(anyText, 0, 3).Draw(t, "Alias")},
		}
		if depth > 0 {
			m.Self = rapid.Ptr(anyMessage(depth-1), true).Draw(t, "Self")
		}
		return m
	})
}

func testRoundTrip[T any](t *testing.T, values *rapid.Generator[T]) {
	t.Helper()
	c := codecFor[T](t)
	rapid.Check(t, func(t *rapid.T) {
		in := values.Draw(t, "value")
		prefix := anyBytes.Draw(t, "prefix")
		b, err := c.Append(bytes.Clone(prefix), in)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(b, prefix))
		var out T
		require.NoError(t, c.Decode(b[len(prefix):], &out))
		require.Equal(t, in, out)
	})
}

func TestRoundTrips(t *testing.T) {
	t.Run("plain", func(t *testing.T) { testRoundTrip(t, anyLeaf) })
	t.Run("string", func(t *testing.T) { testRoundTrip(t, anyText) })
	t.Run("message", func(t *testing.T) { testRoundTrip(t, anyMessage(2)) })
	t.Run("map of pointers", func(t *testing.T) {
		testRoundTrip(t, rapid.MapOfN(rapid.Int(), rapid.Ptr(anyMessage(0), true), 0, 4))
	})
	t.Run("any", func(t *testing.T) {
		scalar := rapid.OneOf(rapid.Int64().AsAny(), anyText.AsAny(), rapid.Float64().AsAny(), rapid.Bool().AsAny(),
			rapid.Just(any(nil)))
		list := rapid.SliceOfN(scalar, 0, 3).AsAny()
		dict := rapid.Map(rapid.MapOfN(anyText, rapid.OneOf(scalar, list), 0, 3), func(m map[string]any) any {
			out := map[any]any{}
			for k, v := range m {
				out[k] = v
			}
			return out
		})
		testRoundTrip(t, rapid.MapOfN(anyText, rapid.OneOf(scalar, list, dict), 0, 4))
	})
}

func TestPlainBytesOfEqualValuesAreEqual(t *testing.T) {
	c := codecFor[padded](t)
	rapid.Check(t, func(t *rapid.T) {
		var v, same padded
		garbage := memory(&same)
		for i := range garbage {
			garbage[i] = rapid.Byte().Draw(t, "garbage")
		}
		v.A = rapid.Uint8().Draw(t, "A")
		v.B = rapid.Uint64().Draw(t, "B")
		v.C = rapid.Bool().Draw(t, "C")
		v.g = number(rapid.Int16().Draw(t, "g"))
		same.A, same.B, same.C, same.g = v.A, v.B, v.C, v.g
		for i := range v.D {
			v.D[i].E = rapid.Uint32().Draw(t, "E")
			same.D[i].E, same.D[i].F = v.D[i].E, v.D[i].F
		}
		a, err := c.Append(nil, v)
		require.NoError(t, err)
		b, err := c.Append(nil, same)
		require.NoError(t, err)
		require.Equal(t, a, b)
	})
}

func TestTimesKeepNanosecondsAndOffset(t *testing.T) {
	c := codecFor[time.Time](t)
	rapid.Check(t, func(t *rapid.T) {
		minutes := rapid.IntRange(-23*60, 23*60).Draw(t, "offset")
		in := time.Unix(rapid.Int64Range(-62e9, 253e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).
			In(time.FixedZone("", minutes*60))
		b, err := c.Append(nil, in)
		require.NoError(t, err)
		var out time.Time
		require.NoError(t, c.Decode(b, &out))
		require.True(t, in.Equal(out), "%v %v", in, out)
		_, offset := out.Zone()
		require.Equal(t, minutes*60, offset)
	})
}
