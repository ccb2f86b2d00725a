package shm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
)

// tenancy is what a child is told: the segment, and a block that its parent has handed over.
type tenancy struct {
	Dir   string
	Given shm.Ref
}

// left is what it says before it is killed.
type left struct{ Kept, Lost, Taken, Large shm.Ref }

// tenant allocates, hands over, takes, and is killed with the rest.
var tenant = proc.Func("shm_test/tenant", func(ctx context.Context, c tenancy) (err error) {
	seg, err := shm.Open("n", shm.Dir(c.Dir))
	if err != nil {
		return err
	}
	var l left
	for _, b := range []struct {
		n   int
		ref *shm.Ref
	}{{100, &l.Kept}, {100, &l.Lost}, {200 << 10, &l.Large}} {
		block, err := seg.Alloc(b.n)
		if err != nil {
			return err
		}
		copy(block.Bytes(), "the tenant's")
		if *b.ref = block.Ref(); b.ref == &l.Kept {
			err = block.Settle()
		}
		if err != nil {
			return err
		}
	}
	given, err := seg.Block(c.Given)
	if err == nil {
		err = given.Take()
	}
	if err != nil {
		return err
	}
	text := make([]byte, 0, 48)
	for _, r := range []shm.Ref{l.Kept, l.Lost, l.Large} {
		text, _ = r.AppendBinary(text)
	}
	if err := os.WriteFile(c.Dir+"/refs", text, 0o600); err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		return err
	}
	select {}
})

func TestWhatAKilledProcessHadComesBackAndWhatItHandedOverStays(t *testing.T) {
	s, _, path := named(t, "n", 16<<20)
	dir := path[:len(path)-len("/kindred.n")]
	given, err := s.Alloc(100)
	require.NoError(t, err)
	require.NoError(t, given.Settle())

	p, err := tenant.Start(t.Context(), tenancy{dir, given.Ref()}, proc.Stderr(os.Stderr))
	require.NoError(t, err)
	var end *proc.ExitError
	require.True(t, errors.As(p.Wait(t.Context()), &end))
	require.Equal(t, os.Kill, end.Signal)

	text, err := os.ReadFile(dir + "/refs")
	require.NoError(t, err)
	var refs [3]shm.Ref
	for i := range refs {
		require.NoError(t, refs[i].UnmarshalBinary(text[16*i:16*i+16]))
	}
	require.NoError(t, shm.Check(s), "nobody has noticed yet")
	all, err := s.Engine().Participants()
	require.NoError(t, err)
	for _, p := range all {
		if !p.Alive {
			require.True(t, s.Engine().Gone(p.Owner))
		}
	}
	kept, err := s.Block(refs[0])
	require.NoError(t, err)
	require.Equal(t, "the tenant's", string(kept.Bytes()[:12]))
	for _, ref := range append(refs[1:], given.Ref()) {
		_, err := s.Block(ref)
		require.ErrorIs(t, err, shm.ErrStale)
	}
	require.EqualValues(t, 1, s.Stats().Blocks)
	require.NoError(t, kept.Free())
	require.ErrorIs(t, kept.Free(), shm.ErrStale, "freed twice")
	require.Zero(t, s.Stats().Blocks)
	require.NoError(t, shm.Check(s))
}

// An anonymous segment has no name, and is called by its ID.
func TestErrorsNameTheSegment(t *testing.T) {
	anonymous, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	named, _, _ := named(t, "called", 1<<20)
	for s, name := range map[*shm.Segment]string{anonymous: fmt.Sprintf("%016x", anonymous.ID()), named: `"called"`} {
		b, err := s.Alloc(1)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		_, allocates := s.Alloc(1)
		_, files := s.File()
		_, finds := s.Block(b.Ref())
		for _, err := range []error{allocates, files, finds, b.Free(), b.Settle(), b.Take(), s.Check(), s.Destroy(b.Ref()), s.Unname("x")} {
			require.ErrorIs(t, err, shm.ErrClosed)
			require.ErrorContains(t, err, name+": ")
		}
		_, none := s.Alloc(-3)
		require.ErrorContains(t, none, "-3 bytes")
	}
}

func TestBlocksSayWhatIsWrong(t *testing.T) {
	s, _, _ := named(t, "n", 1<<20)
	stranger, err := shm.Anonymous(1 << 16)
	stranger = closed(t, stranger, err)
	for _, n := range []int{0, -1} {
		_, err := s.Alloc(n)
		require.ErrorIs(t, err, shm.ErrSize)
	}
	_, err = s.Alloc(1 << 30)
	require.ErrorIs(t, err, shm.ErrNoSpace)
	b, err := s.Alloc(1)
	require.NoError(t, err)
	_, err = stranger.Block(b.Ref())
	require.ErrorIs(t, err, shm.ErrStale)
	_, err = s.Block(shm.Ref{})
	require.ErrorIs(t, err, shm.ErrStale)
	require.ErrorIs(t, b.Take(), shm.ErrInUse, "it was not handed over")
	require.NoError(t, b.Free())

	o, err := raw(s, 64, shm.Named("x"))
	require.NoError(t, err)
	require.NoError(t, s.Unname("x"))
	require.ErrorIs(t, s.Unname("x"), shm.ErrNotExist)
	again, err := raw(s, 64, shm.Named("x"))
	require.NoError(t, err)
	require.NoError(t, s.Destroy(o.Ref()))
	require.ErrorIs(t, s.Destroy(o.Ref()), shm.ErrStale)
	require.NoError(t, s.Destroy(again.Ref()))
	_, err = find(s, "x")
	require.ErrorIs(t, err, shm.ErrNotExist)
	require.NoError(t, shm.Check(s))
	require.NoError(t, s.Close())
	_, err = s.Alloc(1)
	require.ErrorIs(t, err, shm.ErrClosed)
}
