package segment

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever stands in a segment, and whoever put it there: an answer or an error, in bounded time, and
// no access outside of it.

// victim makes a segment with a few objects and names in a file, and gives its bytes up to the heap's
// end.
func victim(t *testing.T) (c Config, path string, content []byte) {
	c = Config{Dir: t.TempDir(), Owner: -1, Participants: 2}
	s, err := Create("victim", 1<<16, c)
	require.NoError(t, err)
	for i, name := range []string{"a", "", "bb", "ccc"} {
		_, err := s.New(Spec{Kind: KindMutex, Layout: 7, Size: uint64(32 + i*100), Name: name})
		require.NoError(t, err)
	}
	used := s.Info().Used
	require.NoError(t, s.Close())
	path = c.path("victim")
	content, err = os.ReadFile(path)
	require.NoError(t, err)
	return c, path, content[:used]
}

// known reports whether err is one that a segment may answer with.
func known(t *testing.T, err error) bool {
	t.Helper()
	for _, e := range []error{
		nil, ErrNotSegment, ErrVersion, ErrLayout, ErrTruncated, ErrCorrupt, ErrFull, ErrStale, ErrKind,
		ErrNotExist, ErrNoSpace, ErrExist, context.Canceled, ErrNotHeld, ErrNotRecoverable, ErrOwnerDied,
	} {
		if errors.Is(err, e) {
			return err == nil
		}
	}
	require.NoError(t, err, "an error of another kind")
	return false
}

// use does whatever can be done with a segment.
func use(t *testing.T, s *Segment, refs []Ref) {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	known(t, s.Check())
	known(t, s.Objects(func(o Object, name string) bool {
		_, _, _ = o.Bytes(), o.Ref(), len(name)
		return true
	}))
	_, err := s.Participants()
	known(t, err)
	s.Info()
	s.Describe(makeOwner(1, 1))
	for _, name := range []string{"a", "bb", "ccc", "none"} {
		o, err := s.Lookup(name, KindMutex, 7)
		if known(t, err) && o.Holds(32) == nil {
			l := s.LockAt(o.Offset())
			_, err := l.TrySlow()
			known(t, err)
			if l.TryLock() {
				known(t, l.Unlock())
			}
			known(t, l.LockSlow(done))
			known(t, l.UnlockSlow())
		}
	}
	for _, ref := range refs {
		_, err := s.Resolve(ref, KindMutex, 7)
		known(t, err)
	}
	// New waits for the heap's lock without a context: a holder that lives is waited for.
	if o, _ := s.heapLock.Holder(); o == 0 || s.Gone(o) {
		_, err := s.New(Spec{Kind: KindRaw, Size: 8, Name: "new"})
		known(t, err)
	}
}

func TestLoopsInTheDirectoryEnd(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	var entries []uint64
	for _, name := range []string{"a", "b", "c"} {
		_, err := s.New(Spec{Kind: KindRaw, Size: 8, Name: name})
		require.NoError(t, err)
		entries = append(entries, s.m.header().directory.Load())
	}
	for _, from := range entries {
		e := s.m.nameEntry(from + uint64(s.m.block(from).bodyOffset))
		old := e.next
		for _, to := range entries {
			if to < from {
				continue
			}
			e.next = to
			_, err := s.Lookup("none", KindRaw, 0)
			require.ErrorIs(t, err, ErrCorrupt)
			_, err = s.New(Spec{Kind: KindRaw, Size: 8, Name: "none"})
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorIs(t, s.Check(), ErrCorrupt)
		}
		e.next = old
	}
	require.NoError(t, s.Check())
}

// The header is read once, and checked; what becomes of it afterwards moves nothing.
func TestAHeaderThatChangesAfterTheAttach(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	o, err := s.New(Spec{Kind: KindRaw, Size: 8, Name: "a"})
	require.NoError(t, err)
	h := s.m.header()
	id, slots := s.ID(), s.slots
	h.size, h.participants, h.tableOffset, h.heapOffset, h.id = 1<<60, 1<<31, 1<<50, 1<<50, 1
	require.Equal(t, id, s.ID())
	require.Equal(t, slots, s.slots)
	_, err = s.Resolve(o.Ref(), KindRaw, 0)
	require.NoError(t, err)
	_, err = s.New(Spec{Kind: KindRaw, Size: 8})
	require.NoError(t, err)
}

// Generations count from 1, in as many bits as a Ref has for them.
func TestAGenerationThatNoRefCanCarryIsCorruption(t *testing.T) {
	s := anonymous(t, 1<<16, Config{})
	o, err := s.New(Spec{Kind: KindRaw, Size: 8, Name: "a"})
	require.NoError(t, err)
	for _, generation := range []uint32{0, 1 << 24, 1<<24 + 1, 1<<32 - 1} {
		s.m.block(o.off).generation = generation
		_, err = s.Lookup("a", KindRaw, 0)
		require.ErrorIs(t, err, ErrCorrupt)
		_, err = s.Resolve(o.Ref(), KindRaw, 0)
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorIs(t, s.Check(), ErrCorrupt)
	}
}
