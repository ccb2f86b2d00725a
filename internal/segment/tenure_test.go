package segment

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An object that lies where another one was destroyed has nothing of what was kept about that one.
func TestWhatIsKeptAboutAnObjectEndsWithIt(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	for _, size := range []uint64{40, 3000, 1 << 17} {
		made := 0
		keep := func(o Object) any { return s.Local(o.Offset(), func() any { made++; return made }) }
		end := size - 16
		var last Object
		for n := range 3 {
			o, err := s.New(Spec{Kind: KindRaw, Size: size})
			require.NoError(t, err)
			if n > 0 {
				require.Equal(t, last.Offset(), o.Offset(), "the same memory")
			}
			require.Equal(t, n+1, keep(o))
			require.Equal(t, n+1, keep(o))
			manner := Manner(n % 2)
			p := s.Point(o.Offset()+end, manner)
			require.Equal(t, manner, p.manner)
			require.Same(t, p, s.Point(o.Offset()+end, manner))
			require.NoError(t, s.Destroy(o.Ref()))
			last = o
		}
	}
}
