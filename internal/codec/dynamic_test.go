package codec

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type (
	registered struct {
		Name string
		More any
	}
	level   int8
	unknown struct{ N int }
)

func init() {
	Register(reflect.TypeFor[registered]())
	Register(reflect.TypeFor[level]())
	Register(reflect.TypeFor[*level]()) // again is nothing new
}

func TestWhatAnAnyHoldsArrivesWithItsType(t *testing.T) {
	c := codecFor[any](t)
	n := 7
	at := time.Date(2024, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, x := range []any{
		nil, true, 42, -1, int8(-3), int16(3), int32(3), int64(math.MinInt64), uint(1), uint8(2), uint16(3), uint32(4),
		uint64(math.MaxUint64), float32(1.5), 2.5, "a\xff", at, time.Second, big.NewInt(-7), netip.MustParseAddr("::1"),
		[]byte{1}, []byte(nil), []byte{}, [2]byte{1, 2}, []string{"a"}, []any{42, nil, "x", int64(42), []any{uint8(1)}}, []any(nil),
		map[string]int{"a": 1}, map[any]any{"a": 1, 1: "a", int8(1): nil, 1.5: []any{}}, map[any]any(nil), map[string]struct{}{"x": {}},
		&n, []*int{&n, nil}, (*int)(nil), map[string]any{"k": map[string]any{"l": []uint16{1}}}, [3]int{1, 2, 3},
		registered{"a", level(3)}, &registered{"a", registered{"b", &registered{}}}, []registered{{"a", nil}}, level(-1),
		map[level][]level{1: {2}},
	} {
		require.Equal(t, x, roundTrip(t, c, x), "%T", x)
		require.Equal(t, []any{x, x}, roundTrip(t, codecFor[[]any](t), []any{x, x}), "%T", x)
	}
}

func TestWhatTheCallerPutIsNotChanged(t *testing.T) {
	type args struct {
		List []any
		Map  map[any]any
		Ptr  *any
		Arr  [1]any
	}
	held := any(int8(1))
	in := args{[]any{int8(1)}, map[any]any{int8(1): int8(2)}, &held, [1]any{int8(1)}}
	out := roundTrip(t, codecFor[args](t), in)
	require.Equal(t, args{[]any{int8(1)}, map[any]any{int8(1): int8(2)}, &held, [1]any{int8(1)}}, in)
	require.Equal(t, in, out)
	require.Equal(t, int8(1), held)
}

func TestTypesThatTheReceiverCannotKnowAreRefused(t *testing.T) {
	why := " cannot be encoded: " + whyUnknown
	require.Equal(t, `codec: any: codec.unknown`+why, failure[any](t, unknown{}))
	require.Equal(t, `codec: map[string]interface {}["x"][1]: codec.unknown`+why, failure(t, map[string]any{"x": []any{1, unknown{}}}))
	require.Contains(t, failure[any](t, [200]int64{}), whyUnknown)
	v := any(nil)
	for range maxTyped {
		v = registered{"x", v}
	}
	require.Equal(t, v, roundTrip(t, codecFor[any](t), v))
	require.Contains(t, failure[any](t, any(registered{"x", v})), whyTyped)
}

func TestARegisteredNameIsOneTypes(t *testing.T) {
	other := func() {
		type level int16
		Register(reflect.TypeFor[level]())
	}
	require.PanicsWithValue(t, "", func() {
		defer func() {
			require.Contains(t, recover(), "the name is taken by another at")
			panic("")
		}()
		other()
	})
}

func TestBadTypesAreCorrupt(t *testing.T) {
	name := func(text string, value ...byte) []byte {
		b, err := encoder().Marshal(text)
		require.NoError(t, err)
		return append(append([]byte{0xd9, typedTag >> 8, typedTag & 0xff, 0x82}, b...), value...)
	}
	require.Equal(t, int8(1), func() (v any) { require.NoError(t, codecFor[any](t).Decode(name("int8", 1), &v)); return }())
	for _, b := range [][]byte{
		name("int", 1), name("string", 0x61, 0x61), name("any", 1), name("[]any", 0x80), // as no Append writes them
		name("int8", 0x18, 0xff), name("int8", 0x61, 0x61), name("uintptr", 1), name("", 1), name("[", 1), name("[]", 1), name("map[", 1),
		name("map[[]int]int", 0xa0), name("map[int", 0xa0), name("[-1]int", 0x80), name("[65535]int", 0x80), name("[1][1", 0x80),
		name("[64][64]int8", 0x80), name(`"main.Job"`, 0xa0), name(`"`, 0xa0), name("int8 ", 1), name("int8]", 1), name("*"+string(make([]byte, 5000)), 1),
		name("****************int8", 1), {0xd9, typedTag >> 8, typedTag & 0xff, 1}, {0xd9, typedTag >> 8, typedTag & 0xff, 0x81, 1},
		{0xd9, typedTag >> 8, typedTag & 0xff, 0xf6}, {0xd9, typedTag >> 8, typedTag & 0xff, 0x83, 1, 1, 1}, {0xc9, 1}, {0xe5},
		{0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0xa1, 0x41, 1, 1},
		append([]byte{0xa2}, append(append(name("int8", 1), 1), append(name("int8", 0x18, 1), 1)...)...),
	} {
		t.Run(fmt.Sprintf("%q", b[:min(len(b), 40)]), func(t *testing.T) { corruption[any](t, b) })
	}
	deep := []byte{1}
	for range maxTyped + 1 {
		deep = name("*any", deep...)
	}
	require.Contains(t, corruption[any](t, deep), "values with types in each other")
}

func TestHostileTypesAreCounted(t *testing.T) {
	was := kept.Swap(maxTypes)
	defer kept.Store(was)
	b := append([]byte{0xd9, typedTag >> 8, typedTag & 0xff, 0x82, 0x65}, "[]int8"[:5]...)
	b[len(b)-1] = '8' // []in8: whatever it is, it is not looked at
	require.Contains(t, corruption[any](t, append(b, 0x80)), "more than 4096 types")
}

// A thing is a handle whose segment is a map.
type thing struct {
	name string
	home map[string]int
}

func (h *thing) MarshalBinary() ([]byte, error) { return []byte(h.name), nil }
func (h *thing) UnmarshalBinary(b []byte) error { h.name = string(b); return nil }
func (h *thing) Resolve(home any) (*thing, error) {
	m, _ := home.(map[string]int)
	if _, ok := m[h.name]; !ok {
		return nil, errRefused
	}
	return &thing{h.name, m}, nil
}

func init() { Register(reflect.TypeFor[thing]()) }

func TestHandlesAreResolvedWhereverTheyStand(t *testing.T) {
	type args struct {
		Name  string
		One   *thing
		Two   **thing
		Nil   *thing
		List  []*thing
		ByKey map[string]*thing
		Any   any
	}
	home := map[string]int{"a": 1}
	a := &thing{name: "a"}
	in := args{"x", a, &a, nil, []*thing{a}, map[string]*thing{"k": a}, []any{a, map[any]any{"k": a}}}
	c := codecFor[args](t)
	b, err := c.Append(nil, in)
	require.NoError(t, err)
	var out args
	require.NoError(t, c.DecodeIn(home, b, &out))
	for _, got := range []*thing{out.One, *out.Two, out.List[0], out.ByKey["k"], out.Any.([]any)[0].(*thing), out.Any.([]any)[1].(map[any]any)["k"].(*thing)} {
		require.Equal(t, &thing{"a", home}, got)
	}
	require.Nil(t, out.Nil)

	err = c.Decode(b, &out)
	var unreached *ResolveError
	require.ErrorAs(t, err, &unreached)
	require.ErrorIs(t, err, errRefused)
	require.NotErrorIs(t, err, ErrCorrupt)
	require.Equal(t, args{}, out)
}

func TestHandlesAreNotCopied(t *testing.T) {
	type Copied struct{ In []thing }
	type Embedding struct {
		Name string
		*thing
	}
	require.Equal(t, "codec: Copied.In[]: codec.thing cannot be encoded: "+whyHandle, refusal[Copied](t))
	require.Equal(t, "codec: codec.Embedding cannot be encoded: "+whyEmbedsHandle, refusal[*Embedding](t)[:0]+refusal[Embedding](t))
}
