package state_test

import (
	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

var (
	bounded   = proctest.Bounded
	over      = proctest.Over
	anonymous = proctest.Anonymous
	again     = proctest.Attach // one more participant, as another process would be
)

// triple is larger than a word, and two of its three numbers say what the third must be.
type triple struct {
	A, B uint64
	Sum  uint64
}

func tripleOf(a, b uint64) triple { return triple{a, b, a + b} }

func (x triple) whole() bool { return x.Sum == x.A+x.B }

// mixed is a word with padding and a bool.
type mixed struct {
	A uint8
	B uint16
	C bool
}

// odd is a word of 3 bytes.
type odd [3]byte

// objectOf is the object that ref names, whatever it is.
func objectOf(t require.TestingT, s *shm.Segment, ref shm.Ref) segment.Object {
	var found segment.Object
	require.NoError(t, s.Engine().Objects(func(o segment.Object, _ string) bool {
		if o.Ref() == ref {
			found = o
		}
		return true
	}))
	require.NotZero(t, found.Kind())
	return found
}
