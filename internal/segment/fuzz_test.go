package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/liveness"
)

// Whatever stands in a segment, and whoever put it there: an answer or an error, in bounded time, and
// no access outside of it. Each target overwrites one structure with its input, uses it, and puts
// back what was there.

// furnished makes a segment with a few objects and names, and gives its bytes up to the heap's end.
func furnished(t testing.TB, s *Segment) (refs []Ref, content []byte) {
	for i, name := range []string{"a", "", "bb", "ccc"} {
		o, err := s.New(Spec{Kind: KindMutex, Layout: 7, Size: uint64(32 + i*100), Name: name})
		require.NoError(t, err)
		refs = append(refs, o.Ref())
	}
	return refs, append([]byte(nil), s.m.bytes(0, s.Info().End)...)
}

// known reports whether there is no error; one must be one that a segment may answer with.
func known(t *testing.T, err error) bool {
	t.Helper()
	for _, e := range []error{
		nil, ErrNotSegment, ErrVersion, ErrLayout, ErrTruncated, ErrCorrupt, ErrFull, ErrStale, ErrKind,
		ErrNotExist, ErrNoSpace, ErrExist, context.Canceled, ErrNotHeld, ErrNotRecoverable, ErrOwnerDied, ErrReadOnly,
	} {
		if errors.Is(err, e) {
			return err == nil
		}
	}
	require.NoError(t, err, "an error of another kind")
	return false
}

// over is a context that has ended: what must wait does not.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// useLock does whatever can be done with a lock.
func useLock(t *testing.T, l *Lock) {
	_, err := l.TrySlow()
	known(t, err)
	if l.TryLock() {
		known(t, l.Unlock())
	}
	known(t, l.LockSlow(over()))
	known(t, l.MarkConsistent())
	known(t, l.UnlockSlow())
	known(t, l.Check())
	l.Holder()
	l.Waited()
}

// use does whatever can be done with a segment.
func use(t *testing.T, s *Segment, refs []Ref) {
	known(t, s.Check())
	known(t, s.Objects(func(o Object, name string) bool {
		require.LessOrEqual(t, uint64(len(o.Bytes()))+uint64(len(name)), s.m.size())
		require.Equal(t, o.Ref().Offset(), o.off)
		return true
	}))
	_, err := s.Participants()
	known(t, err)
	s.Info()
	for _, name := range []string{"a", "bb", "ccc", "none"} {
		o, err := s.Lookup(name, KindMutex, 7)
		if known(t, err) && o.Holds(32) == nil {
			l := s.LockAt(o.Offset())
			useLock(t, &l)
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
		_, err = s.New(Spec{Kind: KindRaw, Size: 8})
		known(t, err)
	}
}

// spoil runs do with b written over content at off, and puts content back into s.
func spoil(s *Segment, content []byte, off uint64, b []byte, do func()) {
	live := s.m.bytes(0, s.m.size())
	copy(live[off:len(content)], b)
	do()
	copy(live, content)
	clear(live[len(content):])
	s.Forget()
}

func FuzzHeader(f *testing.F) {
	c := Config{Dir: f.TempDir(), Owner: -1, Participants: 2}
	s, err := Create("victim", 1<<16, c)
	require.NoError(f, err)
	refs, content := furnished(f, s)
	require.NoError(f, s.Close())
	whole, err := os.ReadFile(c.path("victim"))
	require.NoError(f, err)
	file, err := os.OpenFile(c.path("victim"), os.O_RDWR, 0)
	require.NoError(f, err)
	defer file.Close()
	f.Fuzz(func(t *testing.T, header []byte, cut uint32) {
		require.NoError(t, file.Truncate(0))
		_, err := file.WriteAt(whole, 0)
		require.NoError(t, err)
		_, err = file.WriteAt(header[:min(len(header), len(content))], 0)
		require.NoError(t, err)
		// The file ends where it did, or before.
		require.NoError(t, file.Truncate(int64(len(whole))-int64(cut)%int64(len(whole))))
		for _, observe := range []bool{true, false} {
			c := c
			c.Observe = observe
			s, err := Open("victim", c)
			if !known(t, err) {
				continue
			}
			require.LessOrEqual(t, s.m.size(), uint64(len(whole))-uint64(cut)%uint64(len(whole)))
			if use(t, s, refs); observe {
				_, err := s.New(Spec{Kind: KindRaw, Size: 8})
				require.ErrorIs(t, err, ErrReadOnly)
			}
			require.NoError(t, s.Close())
		}
	})
}

// FuzzHeap overwrites the tables of the heap, and the words that lead there.
func FuzzHeap(f *testing.F) {
	s := anonymous(f, 1<<16, Config{Participants: 2})
	refs, content := furnished(f, s)
	f.Fuzz(func(t *testing.T, top, tabled, directory uint64, tables []byte) {
		spoil(s, content, s.heap.runs, tables[:min(len(tables), int(s.heap.heap-s.heap.runs))], func() {
			h := s.m.header()
			h.top.Store(top)
			h.tabled.Store(tabled)
			h.directory.Store(directory)
			use(t, s, refs)
		})
	})
}

// FuzzBlocks overwrites the blocks.
func FuzzBlocks(f *testing.F) {
	s := anonymous(f, 1<<16, Config{Participants: 2})
	refs, content := furnished(f, s)
	f.Fuzz(func(t *testing.T, directory uint64, blocks []byte) {
		spoil(s, content, s.heap.heap, blocks, func() {
			s.m.header().directory.Store(directory)
			use(t, s, refs)
		})
	})
}

// FuzzBlock overwrites the header of one object.
func FuzzBlock(f *testing.F) {
	s := anonymous(f, 1<<16, Config{Participants: 2})
	refs, content := furnished(f, s)
	f.Fuzz(func(t *testing.T, which uint8, header []byte) {
		ref := refs[int(which)%len(refs)]
		spoil(s, content, ref.Offset(), header[:min(len(header), blockHeaderSize)], func() {
			o, err := s.objectAt(ref.Offset())
			if known(t, err) {
				require.LessOrEqual(t, o.body, o.end)
				require.GreaterOrEqual(t, o.body, o.off+blockHeaderSize)
				require.Equal(t, o.Size(), uint64(len(o.Bytes())))
				again, err := s.Resolve(o.Ref(), o.Kind(), o.Layout())
				require.NoError(t, err)
				require.Equal(t, o, again)
			}
			use(t, s, refs)
		})
	})
}

// FuzzRef resolves any reference.
func FuzzRef(f *testing.F) {
	s := anonymous(f, 1<<16, Config{Participants: 2})
	refs, _ := furnished(f, s)
	f.Fuzz(func(t *testing.T, here bool, b []byte) {
		var ref Ref
		if err := ref.UnmarshalBinary(b); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		back, err := ref.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, b, back)
		if here {
			ref.segment = s.id
		}
		for _, kind := range []Kind{KindRaw, KindMutex} {
			o, err := s.Resolve(ref, kind, 7)
			if known(t, err) {
				require.Equal(t, ref, o.Ref())
				require.Contains(t, refs, ref)
			}
		}
		require.NotEmpty(t, ref.String())
	})
}

// FuzzParticipants overwrites the table, that of who looks included.
func FuzzParticipants(f *testing.F) {
	s := anonymous(f, 1<<16, Config{Participants: 4})
	other := again(f, s, Config{As: "other"})
	refs, content := furnished(f, s)
	f.Fuzz(func(t *testing.T, owner uint64, table []byte) {
		spoil(s, content, tableOffset, table[:min(len(table), int(s.slots)*participantSize)], func() {
			for _, o := range []Owner{OwnerOf(owner), s.Self(), other.Self(), makeOwner(3, 1)} {
				_ = s.Describe(o) + s.Participant(o).String()
				known(t, s.CheckOwner(o))
				if o != 0 && !s.Gone(o) {
					require.Contains(t, []uint32{s.Self().slot(), other.Self().slot()}, o.slot(), "%s is nobody who lives", o)
				}
			}
			use(t, s, refs)
			if third, err := tryAgain(t, s, Config{As: "third"}); known(t, err) {
				require.NotEqual(t, s.Self().slot(), third.Self().slot(), "its byte is locked")
				require.NotEqual(t, other.Self().slot(), third.Self().slot(), "its byte is locked")
				require.NoError(t, third.Close())
			}
		})
		held, err := liveness.Held(other.locks, lockBase+int64(s.Self().slot()))
		require.NoError(t, err)
		require.True(t, held, "the lock of who looked")
	})
}

// FuzzLockWord gives a lock any word and any event.
func FuzzLockWord(f *testing.F) {
	s := anonymous(f, 1<<16, Config{Participants: 3})
	other := again(f, s, Config{})
	refs, content := furnished(f, s)
	o, err := s.resolve(refs[0])
	require.NoError(f, err)
	l := s.LockAt(o.Offset())
	f.Fuzz(func(t *testing.T, word, event uint64, owner uint8) {
		switch owner % 3 { // names that are hard to guess
		case 1:
			word = word&^ownerMask | uint64(s.Self())
		case 2:
			word = word&^ownerMask | uint64(other.Self())
		}
		state := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, word), event)
		spoil(s, content, o.Offset(), state, func() {
			if got, err := l.TrySlow(); got {
				require.ErrorIs(t, err, ErrOwnerDied)
				require.NotZero(t, OwnerOf(word))
				require.NotEqual(t, other.Self(), OwnerOf(word), "it lives")
			}
			useLock(t, &l)
		})
	})
}
