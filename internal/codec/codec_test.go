package codec

import (
	"encoding/binary"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func codecFor[T any](t testing.TB) *Codec[T] {
	t.Helper()
	c, err := For[T]()
	require.NoError(t, err)
	return c
}

// roundTrip appends v behind other bytes and decodes it again, over a value that is not zero if there is one.
func roundTrip[T any](t testing.TB, c *Codec[T], v T) T {
	t.Helper()
	b, err := c.Append([]byte("before"), v)
	require.NoError(t, err)
	require.Equal(t, "before", string(b[:6]))
	out := v
	require.NoError(t, c.Decode(b[6:], &out))
	return out
}

func TestForMakesOneCodecPerType(t *testing.T) {
	type Args struct{ Name string }
	require.Same(t, codecFor[Args](t), codecFor[Args](t))
}

func TestTheTypeDecidesTheForm(t *testing.T) {
	type name string
	type octet uint8
	type octets []octet
	require.Equal(t, formPlain, codecFor[padded](t).form)
	require.Equal(t, formString, codecFor[name](t).form)
	require.Equal(t, formBytes, codecFor[octets](t).form)
	require.Equal(t, formCBOR, codecFor[[]int](t).form)
	require.Equal(t, formCBOR, codecFor[*int](t).form)

	require.True(t, codecFor[padded](t).Plain())
	require.Equal(t, int(unsafe.Sizeof(padded{})), codecFor[padded](t).Size())
	require.False(t, codecFor[name](t).Plain())
	require.Zero(t, codecFor[name](t).Size())

	require.Equal(t, name("x\xff"), roundTrip(t, codecFor[name](t), "x\xff"))
	require.Equal(t, octets{1, 2}, roundTrip(t, codecFor[octets](t), octets{1, 2}))
	require.Nil(t, roundTrip(t, codecFor[octets](t), octets{}))
}

func TestPlainValuesAreTheirMemory(t *testing.T) {
	type pair struct {
		A uint32
		B int16
		c uint16
	}
	c := codecFor[pair](t)
	b, err := c.Append(nil, pair{0x01020304, -2, 5})
	require.NoError(t, err)
	require.Equal(t, []byte{4, 3, 2, 1, 0xfe, 0xff, 5, 0}, b)
	require.Equal(t, pair{1, 2, 3}, roundTrip(t, c, pair{1, 2, 3}))

	none := codecFor[struct{}](t)
	b, err = none.Append(nil, struct{}{})
	require.NoError(t, err)
	require.Empty(t, b)
	require.Equal(t, struct{}{}, roundTrip(t, none, struct{}{}))
}

func TestPaddingLeavesAsZeros(t *testing.T) {
	var dirty padded
	bytes := memory(&dirty)
	for i := range bytes {
		bytes[i] = 0xff
	}
	dirty.A, dirty.B, dirty.C, dirty.g = 1, 2, true, 3
	for i := range dirty.D {
		dirty.D[i].E, dirty.D[i].F = 4, true
	}
	b, err := codecFor[padded](t).Append(nil, dirty)
	require.NoError(t, err)

	sum := 0
	for _, x := range b {
		sum += int(x)
	}
	require.Equal(t, 1+2+1+3+3*(4+1), sum)
	require.Equal(t, byte(0xff), bytes[1], "the caller's value is not touched")
}

func TestPlainDecodeReadsAtAnyAddress(t *testing.T) {
	c := codecFor[uint64](t)
	b := binary.LittleEndian.AppendUint64([]byte{0}, 42)
	var v uint64
	require.NoError(t, c.Decode(b[1:], &v))
	require.Equal(t, uint64(42), v)
}

func TestDecodedValuesDoNotReferToTheSource(t *testing.T) {
	type args struct {
		Name string
		Data []byte
		Any  any
	}
	in := args{"name", []byte("data"), []any{"any", []byte("bytes")}}
	c := codecFor[args](t)
	b, err := c.Append(nil, in)
	require.NoError(t, err)
	var out, other args
	require.NoError(t, c.Decode(b, &out))
	clear(b)
	b, err = c.Append(nil, args{"eman", []byte("atad"), []any{"yna", []byte("setyb")}})
	require.NoError(t, err)
	require.NoError(t, c.Decode(b, &other)) // through the same scratch buffer
	require.Equal(t, in, out)

	s, err := codecFor[string](t).Append(nil, "text")
	require.NoError(t, err)
	var text string
	require.NoError(t, codecFor[string](t).Decode(s, &text))
	clear(s)
	require.Equal(t, "text", text)
}

func TestNilAndEmptyArriveAsSent(t *testing.T) {
	type args struct {
		Slice []int
		Bytes []byte
		Map   map[string]int
		Ptr   *int
		Any   any
	}
	c := codecFor[args](t)
	require.Equal(t, args{}, roundTrip(t, c, args{}))
	full := args{[]int{}, []byte{}, map[string]int{}, new(int), []any{}}
	require.Equal(t, full, roundTrip(t, c, full))
	require.Nil(t, roundTrip(t, codecFor[*args](t), nil))
}

func TestDecodeForgetsWhatWasThere(t *testing.T) {
	type args struct {
		Map  map[string]int
		Name string `cbor:",omitempty"`
	}
	c := codecFor[args](t)
	b, err := c.Append(nil, args{Map: map[string]int{"a": 1}})
	require.NoError(t, err)
	old := map[string]int{"b": 2}
	v := args{old, "old"}
	require.NoError(t, c.Decode(b, &v))
	require.Equal(t, args{Map: map[string]int{"a": 1}}, v)
	require.Equal(t, map[string]int{"b": 2}, old)
}

func TestMarshalersTravelWhole(t *testing.T) {
	type args struct {
		At    time.Time
		Big   *big.Int
		Addr  netip.AddrPort
		Link  *url.URL
		Wait  time.Duration
		Bytes [3]byte
		Keys  map[netip.Addr]int
	}
	link, err := url.Parse("https://user@example.org/a?b=c#d")
	require.NoError(t, err)
	in := args{
		At:    time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.FixedZone("", -3*3600-1800)),
		Big:   new(big.Int).Lsh(big.NewInt(-12345), 200),
		Addr:  netip.MustParseAddrPort("[fe80::1%eth0]:80"),
		Link:  link,
		Wait:  -time.Second,
		Bytes: [3]byte{1, 2, 3},
		Keys:  map[netip.Addr]int{netip.MustParseAddr("::1"): 6, netip.MustParseAddr("127.0.0.1"): 4},
	}
	out := roundTrip(t, codecFor[args](t), in)
	require.True(t, in.At.Equal(out.At))
	_, offset := out.At.Zone()
	require.Equal(t, -3*3600-1800, offset)
	out.At = in.At
	require.Equal(t, in, out)

	require.True(t, roundTrip(t, codecFor[time.Time](t), time.Time{}).IsZero())
}

func TestFloatsArriveToTheBit(t *testing.T) {
	c := codecFor[[]float64](t)
	in := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64,
		math.Float64frombits(0x7ff8_0000_0000_0123)}
	out := roundTrip(t, c, in)
	for i := range in {
		require.Equal(t, math.Float64bits(in[i]), math.Float64bits(out[i]))
	}
}

func TestLargeValues(t *testing.T) {
	type args struct {
		Data  []byte
		Words []uint32
		Index map[int]struct{}
	}
	in := args{make([]byte, 3<<20), make([]uint32, 300_000), map[int]struct{}{}}
	for i := range 200_000 {
		in.Index[i] = struct{}{}
	}
	require.True(t, reflect.DeepEqual(in, roundTrip(t, codecFor[args](t), in)))
}
