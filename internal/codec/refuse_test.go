package codec

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"
)

type (
	onlyPointers *onlyPointers
	secret       struct{ text string }

	halfMarshaler struct{ List []int }

	refusing struct{ List []int }
	careless struct{ List []int }

	inner struct{ List []int }

	node struct {
		Value int
		Next  *node
	}
)

func (halfMarshaler) MarshalBinary() ([]byte, error) { return nil, nil }

var errRefused = errors.New("not today")

func (refusing) MarshalBinary() ([]byte, error)  { return nil, errRefused }
func (*refusing) UnmarshalBinary([]byte) error   { return errRefused }
func (careless) MarshalBinary() ([]byte, error)  { return []byte{1}, nil }
func (*careless) UnmarshalBinary(b []byte) error { _ = b[5]; return nil }

// refusal is the text of For's error for T.
func refusal[T any](t *testing.T) string {
	t.Helper()
	c, err := For[T]()
	require.Nil(t, c)
	require.ErrorIs(t, err, ErrUnencodable)
	_, again := For[T]()
	require.EqualError(t, again, err.Error())
	return err.Error()
}

func TestForNamesWhatCannotBeEncoded(t *testing.T) {
	type Job struct {
		Name string
		Conn chan int
	}
	type Args struct{ Jobs []Job }
	type Deep struct {
		Index map[string][]*struct{ Run func() }
	}
	type Keyed struct{ Set map[chan int]string }
	type Pointing struct {
		Name string
		At   unsafe.Pointer
	}
	type Addressed struct {
		Name string
		At   uintptr
	}
	type Wave struct {
		Name    string
		Samples []complex128
	}
	type Result struct{ Err error }
	type Locked struct {
		Name string
		Mu   sync.Mutex
	}
	type Embedding struct {
		Name string
		sync.Mutex
	}
	type Half struct{ Inner halfMarshaler }
	type Hidden struct {
		*inner
		Name string
	}
	type Tagged struct {
		inner `cbor:"in"`
		Name  string
	}
	type List struct {
		Next *List
		Stop <-chan struct{}
	}

	for _, c := range []struct{ got, want string }{
		{refusal[Args](t), `codec: Args.Jobs[].Conn: chan int cannot be encoded`},
		{refusal[Deep](t), `codec: Deep.Index[][].Run: func() cannot be encoded`},
		{refusal[Keyed](t), `codec: Keyed.Set[key]: chan int cannot be encoded`},
		{refusal[Pointing](t), `codec: Pointing.At: unsafe.Pointer cannot be encoded`},
		{refusal[Addressed](t), `codec: Addressed.At: uintptr cannot be encoded`},
		{refusal[Wave](t), `codec: Wave.Samples[]: complex128 cannot be encoded`},
		{refusal[Result](t), `codec: Result.Err: error cannot be encoded: the receiver cannot know what an interface with methods held`},
		{refusal[Locked](t), `codec: Locked.Mu: sync.Mutex cannot be encoded: all its fields are unexported, and it has no MarshalBinary`},
		{refusal[Embedding](t), `codec: Embedding.Mutex: sync.Mutex cannot be encoded: all its fields are unexported, and it has no MarshalBinary`},
		{refusal[secret](t), `codec: codec.secret cannot be encoded: all its fields are unexported, and it has no MarshalBinary`},
		{refusal[*os.File](t), `codec: *os.File: os.File cannot be encoded: shm.NewFile makes of an *os.File what travels`},
		{refusal[Half](t), `codec: Half.Inner: codec.halfMarshaler cannot be encoded: it has a marshaler without the unmarshaler`},
		{refusal[Hidden](t), `codec: Hidden.inner: *codec.inner cannot be encoded: the receiver cannot fill an embedded pointer to an unexported struct`},
		{refusal[Tagged](t), `codec: Tagged.inner: codec.inner cannot be encoded: an embedded unexported struct cannot have a name in its tag`},
		{refusal[List](t), `codec: List.Stop: <-chan struct {} cannot be encoded`},
		{refusal[struct{ P onlyPointers }](t), `codec: struct { P codec.onlyPointers }.P: codec.onlyPointers cannot be encoded: it points to nothing but pointers`},
		{refusal[chan int](t), `codec: chan int cannot be encoded`},
		{refusal[*chan int](t), `codec: *chan int: chan int cannot be encoded`},
		{refusal[io.Reader](t), `codec: io.Reader cannot be encoded: the receiver cannot know what an interface with methods held`},
		{refusal[[]func()](t), `codec: []func()[]: func() cannot be encoded`},
	} {
		require.Equal(t, c.want, c.got)
	}
}

func TestForTakesWhatIsLeftOut(t *testing.T) {
	type Args struct {
		Name  string
		Quiet chan int `cbor:"-"`
		Still func()   `json:"-"`
		done  chan int
	}
	c := codecFor[Args](t)
	out := roundTrip(t, c, Args{Name: "a", Quiet: make(chan int), done: make(chan int)})
	require.Equal(t, Args{Name: "a"}, out)

	codecFor[struct {
		Name  string
		Empty struct{}
		_     [4]uint8
	}](t)
	codecFor[struct {
		At   time.Time
		N    *big.Int
		Link *url.URL
		Raw  cbor.RawMessage
	}](t)
}

// failure is the text of Append's error for v.
func failure[T any](t *testing.T, v T) string {
	t.Helper()
	dst := []byte("before")
	out, err := codecFor[T](t).Append(dst, v)
	require.ErrorIs(t, err, ErrUnencodable)
	require.Equal(t, dst, out)
	return err.Error()
}

func TestAppendNamesTheValueThatCannotBeEncoded(t *testing.T) {
	type Args struct {
		Name  string
		Extra map[string]any
		When  []time.Time
		Deep  *refusing
	}
	extra := func(v any) Args { return Args{Extra: map[string]any{"a": 1, "x": v}} }
	for _, c := range []struct{ got, want string }{
		{failure(t, extra([]any{0, "1", nil, make(chan int)})), `codec: Args.Extra["x"][3]: chan int cannot be encoded`},
		{failure(t, extra(map[any]any{7: func() {}})), `codec: Args.Extra["x"][7]: func() cannot be encoded`},
		{failure(t, extra(map[any]any{complex(1, 2): 1})), `codec: Args.Extra["x"][key (1+2i)]: complex128 cannot be encoded`},
		{failure(t, extra([]chan int{})), `codec: Args.Extra["x"][]: chan int cannot be encoded`},
		{failure(t, extra(&struct{ C *chan int }{})), `codec: Args.Extra["x"].C: chan int cannot be encoded`},
		{failure(t, extra(secret{"x"})), `codec: Args.Extra["x"]: codec.secret cannot be encoded: all its fields are unexported, and it has no MarshalBinary`},
		{failure(t, extra(onlyPointers(nil))), `codec: Args.Extra["x"]: codec.onlyPointers cannot be encoded: it points to nothing but pointers`},
		{failure(t, Args{Deep: &refusing{}}), `codec: Args.Deep: codec.refusing cannot be encoded: not today`},
		{failure(t, Args{When: []time.Time{{}, time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC)}}),
			`codec: Args.When[1]: time.Time cannot be encoded: cbor: unsupported value: time.Time year outside of range [0,9999] for RFC 3339`},
		{failure(t, Args{When: []time.Time{time.Unix(0, 0).In(time.FixedZone("LMT", 1172))}}),
			`codec: Args.When[0]: time.Time cannot be encoded: its offset has seconds, which do not travel: send it in UTC`},
		{failure(t, time.Unix(0, 0).In(time.FixedZone("LMT", 1172))),
			`codec: time.Time cannot be encoded: its offset has seconds, which do not travel: send it in UTC`},
		{failure(t, []*big.Int{nil, new(big.Int).Lsh(big.NewInt(1), maxBigInt*8)}),
			`codec: []*big.Int[1]: big.Int cannot be encoded: a number of more than 65536 bytes`},
		{failure[any](t, make(chan int)), `codec: any: chan int cannot be encoded`},
		{failure(t, []any{map[any]any{nil: uintptr(1)}}), `codec: []interface {}[0][nil]: uintptr cannot be encoded`},
	} {
		require.Equal(t, c.want, c.got)
	}

	_, err := codecFor[Args](t).Append(nil, Args{Deep: &refusing{}})
	require.ErrorIs(t, err, errRefused)
}

func TestAppendRefusesValuesThatContainThemselves(t *testing.T) {
	const why = " cannot be encoded: it contains itself, or nests deeper than 10000 levels"

	ring := &node{}
	ring.Next = ring
	require.Equal(t, `codec: *codec.node.Next.Next.Next.Next.Next.Next.Next...`+
		`.Next.Next.Next.Next.Next.Next.Next.Next: codec.node`+why, failure(t, ring))

	list := []any{nil}
	list[0] = list
	require.Equal(t, `codec: []interface {}[0][0][0][0][0][0][0]...[0][0][0][0][0][0][0][0]: []interface {}`+why, failure(t, list))

	dict := map[string]any{}
	dict["d"] = dict
	require.Contains(t, failure(t, dict), whyTyped)

	var itself any
	itself = &itself
	require.Equal(t, `codec: any: *interface {}`+why, failure(t, itself))
}

func TestAppendTakesWhatDecodeTakes(t *testing.T) {
	chain := func(n int) *node {
		var first *node
		for i := range n {
			first = &node{i, first}
		}
		return first
	}
	c := codecFor[*node](t)
	for _, n := range []int{1, maxLevels - 1, maxLevels} {
		require.Equal(t, chain(n), roundTrip(t, c, chain(n)), "%d nodes", n)
	}
	_, err := c.Append(nil, chain(maxLevels+1))
	require.ErrorIs(t, err, ErrUnencodable)
	require.ErrorContains(t, err, "nests deeper than 10000 levels")

	nested := func(n int) any {
		v := any(time.Unix(0, 0).UTC()) // in a tag, which is a level
		for range n - 1 {
			v = []any{v}
		}
		return v
	}
	a := codecFor[any](t)
	require.Equal(t, nested(maxLevels), roundTrip(t, a, nested(maxLevels)))
	_, err = a.Append(nil, nested(maxLevels+1))
	require.ErrorIs(t, err, ErrUnencodable)
	require.ErrorContains(t, err, "nests deeper than 10000 levels")
}

func ExampleCodec_Append_error() {
	type Args struct {
		Name  string
		Extra map[string]any
	}
	c, err := For[Args]()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Append(nil, Args{Extra: map[string]any{"done": make(chan bool)}})
	fmt.Println(err)
	// Output: codec: Args.Extra["done"]: chan bool cannot be encoded
}

type (
	base    struct{ A []string }
	another struct{ A []string }
	own     struct {
		time.Time
		N []int
	}
)

// Knot embeds itself, and has the methods of what it embeds beside that.
type Knot struct {
	*Knot
	time.Time
}

func (own) MarshalBinary() ([]byte, error)  { return nil, nil }
func (*own) UnmarshalBinary(b []byte) error { return nil }

func TestForNamesAFieldThatAnotherHides(t *testing.T) {
	type Outer struct {
		base
		A []string
	}
	type Same struct {
		X []int    `json:"x"`
		Y []string `cbor:"x"`
	}
	type Two struct {
		base
		another
	}
	type Deep struct {
		Jobs []struct{ Outer }
	}
	type Tagged struct {
		base
		B []string `json:"A"`
	}
	const hint = "[]string cannot be encoded: the receiver would miss it, since another field has its name: " +
		`give one of them another by a tag, or leave one out by "-"`
	require.Equal(t, "codec: Outer.base.A: "+hint, refusal[Outer](t))
	require.Equal(t, "codec: Same.Y: "+hint, refusal[Same](t))
	require.Equal(t, "codec: Two.base.A: "+hint, refusal[Two](t))
	require.Contains(t, refusal[Deep](t), ".Jobs[].Outer.base.A: "+hint)
	require.Equal(t, "codec: Tagged.base.A: "+hint, refusal[Tagged](t))

	type Left struct {
		base `json:"-"`
		A    []string
	}
	type Named struct {
		Base base
		A    []string
	}
	type Node struct {
		*Node
		A []string
	}
	type Numbered struct {
		A []string `cbor:"1,keyasint"`
		B []string `cbor:"01,keyasint"`
	}
	require.Equal(t, "codec: Numbered.B: "+hint, refusal[Numbered](t))
	type Apart struct {
		A []string `cbor:"1,keyasint"`
		B []string `cbor:"1"`
	}
	for _, err := range []error{errOf[Left](), errOf[Named](), errOf[Node](), errOf[Apart]()} {
		require.NoError(t, err)
	}
}

func errOf[T any]() error {
	_, err := For[T]()
	return err
}

func TestForNamesAFieldOfWhichAnEmbeddedMarshalerKnowsNothing(t *testing.T) {
	type Event struct {
		time.Time
		Notes []string
	}
	type Link struct {
		*url.URL
		Title string
	}
	type Alone struct{ time.Time }
	type Deep struct{ Event }
	type DeepLink struct{ *Link }
	type DeepAlone struct{ Alone }
	type Left struct {
		time.Time
		Notes []string `json:"-"`
	}
	const hint = " cannot be encoded: the receiver would miss it, since the struct is written by the method of what it embeds: give that field a name"
	require.Equal(t, "codec: Event.Notes: []string"+hint, refusal[Event](t))
	require.Equal(t, "codec: Link.Title: string"+hint, refusal[Link](t))
	require.Equal(t, "codec: Deep.Event.Notes: []string"+hint, refusal[Deep](t))
	require.Equal(t, "codec: DeepLink.Link.Title: string"+hint, refusal[DeepLink](t))
	for _, err := range []error{errOf[[]Alone](), errOf[DeepAlone](), errOf[Left](), errOf[own](), errOf[Knot]()} {
		require.NoError(t, err)
	}
}
