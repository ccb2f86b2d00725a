package codec

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func corruption[T any](t *testing.T, src []byte) string {
	t.Helper()
	c := codecFor[T](t)
	var v, none T
	err := c.Decode(src, &v)
	require.ErrorIs(t, err, ErrCorrupt)
	require.Equal(t, none, v)
	return err.Error()
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

func TestDecodeRefusesBadBytes(t *testing.T) {
	type flags [3]struct {
		N  uint16
		On bool
	}
	type Args struct {
		N    int8
		Name string
	}
	type Timed struct{ At time.Time }
	type Careless struct{ In careless }

	for _, c := range []struct{ got, want string }{
		{corruption[uint32](t, []byte{1, 2, 3}), "codec: uint32: corrupt encoding: 3 bytes, not 4"},
		{corruption[uint32](t, make([]byte, 5)), "codec: uint32: corrupt encoding: 5 bytes, not 4"},
		{corruption[uint32](t, nil), "codec: uint32: corrupt encoding: 0 bytes, not 4"},
		{corruption[flags](t, []byte{0, 0, 1, 9, 0, 0, 1, 9, 0, 0, 2, 9}), "codec: codec.flags: corrupt encoding: a bool that is neither 0 nor 1"},
		{corruption[Args](t, nil), "codec: codec.Args: corrupt encoding: EOF"},
		{corruption[Args](t, unhex(t, "a1")), "codec: codec.Args: corrupt encoding: unexpected EOF"},
		{corruption[Args](t, unhex(t, "a0 00")), "codec: codec.Args: corrupt encoding: cbor: 1 bytes of extraneous data starting at index 1"},
		{corruption[Args](t, unhex(t, "80")), "codec: codec.Args: corrupt encoding: cbor: cannot unmarshal array into Go value of type codec.Args (cannot decode CBOR array to struct without toarray option)"},
		{corruption[Args](t, unhex(t, "a1 61 4e 18 80")), "codec: codec.Args: corrupt encoding: cbor: cannot unmarshal positive integer into Go struct field codec.Args.N of type int8 (128 overflows int8)"},
		{corruption[Args](t, unhex(t, "a1 61 58 00")), "codec: codec.Args: corrupt encoding: cbor: found unknown field at map element index 0"},
		{corruption[Args](t, unhex(t, "a1 61 6e 00")), "codec: codec.Args: corrupt encoding: cbor: found unknown field at map element index 0"},
		{corruption[Args](t, unhex(t, "a2 61 4e 00 61 4e 01")), `codec: codec.Args: corrupt encoding: cbor: found duplicate map key "N" at map element index 1`},
		{corruption[map[string]int](t, unhex(t, "a2 61 61 00 61 61 01")), `codec: map[string]int: corrupt encoding: cbor: found duplicate map key "a" at map element index 1`},
		{corruption[Args](t, unhex(t, "bf ff")), "codec: codec.Args: corrupt encoding: cbor: indefinite-length map isn't allowed"},
		{corruption[Args](t, unhex(t, "a1 61 4e c2 41 01")), "codec: codec.Args: corrupt encoding: cbor: CBOR tag isn't allowed"},
		{corruption[[]int](t, unhex(t, "9b ff ff ff ff ff ff ff ff")), "codec: []int: corrupt encoding: cbor: array length 18446744073709551615 is too large, it would cause integer overflow"},
		{corruption[[]int](t, unhex(t, "9a 7f ff ff ff 00")), "codec: []int: corrupt encoding: unexpected EOF"},
		{corruption[map[int]int](t, unhex(t, "ba 7f ff ff ff 00")), "codec: map[int]int: corrupt encoding: unexpected EOF"},
		{corruption[[][]byte](t, unhex(t, "81 5a 7f ff ff ff 00")), "codec: [][]uint8: corrupt encoding: unexpected EOF"},
		{corruption[any](t, unhex(t, "a1 80 00")), "codec: interface {}: corrupt encoding: cbor: invalid map key type: []interface {}"},
		{corruption[any](t, bytes.Repeat([]byte{0x81}, 20_000)), "codec: interface {}: corrupt encoding: cbor: exceeded max nested level 10000"},
		{corruption[any](t, bytes.Repeat([]byte{0xc9}, 20_000)), "codec: interface {}: corrupt encoding: more than 16 tags in a row"},
		{corruption[Timed](t, append(unhex(t, "a1 62 41 74 c2 5a 00 01 00 01"), make([]byte, 1<<16+1)...)), "codec: codec.Timed: corrupt encoding: a number of more than 65536 bytes"},
		{corruption[Timed](t, unhex(t, "a1 62 41 74 c0 61 78")), `codec: codec.Timed: corrupt encoding: cbor: cannot set x for time.Time: parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"`},
		{corruption[Careless](t, unhex(t, "a1 62 49 6e 41 01")), "codec: codec.Careless: corrupt encoding: panic: runtime error: index out of range [5] with length 1"},
	} {
		require.Equal(t, c.want, c.got)
	}
}

func TestTheErrorDoesNotQuoteAllOfTheInput(t *testing.T) {
	type Timed struct{ At time.Time }
	b, err := codecFor[map[string]string](t).Append(nil, map[string]string{"At": strings.Repeat("x", 1<<20)})
	require.NoError(t, err)
	text := corruption[Timed](t, b)
	require.Less(t, len(text), 300)
	require.True(t, strings.HasSuffix(text, "xxx..."))
}

func TestAnErrorOfUnmarshalBinaryIsKept(t *testing.T) {
	c := codecFor[map[int]refusing](t)
	var v map[int]refusing
	err := c.Decode(unhex(t, "a1 01 41 00"), &v)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, err, errRefused)
}

// fuzzed is all that CBOR carries, in one type.
type fuzzed struct {
	B  bool
	I  int32
	U  uint64
	F  float64
	S  string
	D  []byte
	A  [3]int16
	H  [4]byte
	L  []fuzzed
	M  map[string]*fuzzed
	K  map[[2]int8]bool
	P  **int
	T  time.Time
	N  *big.Int
	E  struct{ point }
	X  any `cbor:",omitempty"`
	X2 map[any]any
}

// FuzzDecode wants of any bytes that they decode or are an ErrCorrupt, and that what was decoded can be sent on.
func FuzzDecode(f *testing.F) {
	seed := func(which byte, b []byte, err error) {
		require.NoError(f, err)
		f.Add(which, b)
	}
	n := new(int)
	b, err := codecFor[fuzzed](f).Append(nil, fuzzed{
		S: "s", D: []byte{1}, L: []fuzzed{{}}, M: map[string]*fuzzed{"m": {}, "n": nil}, K: map[[2]int8]bool{{1, 2}: true},
		P: &n, T: time.Unix(1, 2).UTC(), N: big.NewInt(1), X: []any{1, "2", 3.5}, X2: map[any]any{1: map[any]any{"a": nil}},
	})
	seed(0, b, err)
	b, err = codecFor[padded](f).Append(nil, padded{A: 1, C: true})
	seed(1, b, err)
	b, err = codecFor[map[string][]string](f).Append(nil, map[string][]string{"a": {"b", "c"}})
	seed(2, b, err)
	b, err = codecFor[any](f).Append(nil, []any{time.Unix(0, 0), uint64(1 << 63), map[any]any{false: 1}})
	seed(3, b, err)
	b, err = codecFor[*node](f).Append(nil, &node{1, &node{2, nil}})
	seed(4, b, err)
	b, err = codecFor[string](f).Append(nil, "text")
	seed(5, b, err)

	f.Fuzz(func(t *testing.T, which byte, src []byte) {
		switch which % 6 {
		case 0:
			fuzzDecode[fuzzed](t, src, false)
		case 1:
			fuzzDecode[padded](t, src, true)
		case 2:
			fuzzDecode[map[string][]string](t, src, true)
		case 3:
			fuzzDecode[any](t, src, false)
		case 4:
			fuzzDecode[*node](t, src, true)
		case 5:
			fuzzDecode[string](t, src, true)
		}
	})
}

// fuzzDecode decodes src. What arrives in an exact type is what is sent on; with an any in it, the second sending
// may be refused (a year beyond 9999) or be ambiguous (keys 1 and big.Int 1).
func fuzzDecode[T any](t *testing.T, src []byte, exact bool) {
	c := codecFor[T](t)
	var v, again T
	if err := c.Decode(src, &v); err != nil {
		require.ErrorIs(t, err, ErrCorrupt)
		require.True(t, reflect.ValueOf(&v).Elem().IsZero())
		return
	}
	b, err := c.Append(nil, v)
	if err != nil && !exact {
		require.ErrorIs(t, err, ErrUnencodable)
		return
	}
	require.NoError(t, err)
	err = c.Decode(b, &again)
	if err != nil && !exact {
		require.True(t, errors.Is(err, ErrCorrupt))
		return
	}
	require.NoError(t, err)
	if exact {
		require.Equal(t, v, again)
	}
}
