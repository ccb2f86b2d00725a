package segment

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/liveness"
)

func inDir(t *testing.T) Config { return Config{Dir: t.TempDir(), Owner: -1, Participants: 4} }

func TestRemoveTakesWhatNobodyIsAttachedTo(t *testing.T) {
	c := inDir(t)
	s, err := Create("a", 1, c)
	require.NoError(t, err)
	require.ErrorIs(t, Remove("a", c), ErrInUse)
	attached, err := Attached("a", c)
	require.NoError(t, err)
	require.True(t, attached)

	require.NoError(t, s.Close())
	attached, err = Attached("a", c)
	require.NoError(t, err)
	require.False(t, attached)
	require.NoError(t, Remove("a", c))
	require.ErrorIs(t, Remove("a", c), ErrNotExist)
	_, err = Attached("a", c)
	require.ErrorIs(t, err, ErrNotExist)
}

func TestRemoveLeavesWhatIsNoSegment(t *testing.T) {
	c := inDir(t)
	path := c.path("text")
	require.NoError(t, os.WriteFile(path, []byte("a text"), 0o600))
	require.ErrorIs(t, Remove("text", c), ErrNotSegment)
	require.FileExists(t, path)
	require.ErrorIs(t, Remove("a/b", c), ErrName)

	// The locks of another version may lie elsewhere.
	s, err := Create("next", 1, c)
	require.NoError(t, err)
	s.m.header().version = version + 1
	require.NoError(t, s.Close())
	require.ErrorIs(t, Remove("next", c), ErrVersion)
	dead, err := Dead(c)
	require.NoError(t, err)
	require.Empty(t, dead)
}

func TestRemoveTakesATruncatedSegment(t *testing.T) {
	c := inDir(t)
	s, err := Create("cut", 1, c)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	for _, size := range []int64{tableOffset, 20} {
		require.NoError(t, os.Truncate(c.path("cut"), size))
		_, err = Open("cut", c)
		require.ErrorIs(t, err, ErrTruncated)
	}
	require.NoError(t, Remove("cut", c))
	require.NoFileExists(t, c.path("cut"))
}

func TestUnlinkTakesWhateverHasTheName(t *testing.T) {
	c := inDir(t)
	require.NoError(t, os.WriteFile(c.path("text"), []byte("a text"), 0o600))
	require.NoError(t, Unlink("text", c))
	require.NoError(t, os.Symlink("nowhere", c.path("link")))
	require.NoError(t, Unlink("link", c))
	require.ErrorIs(t, Unlink("link", c), ErrNotExist)

	s, err := Create("a", 1, c)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, Unlink("a", c))
	require.NoError(t, s.Check())
}

func TestNamesListsSoundAndBroken(t *testing.T) {
	c := inDir(t)
	s, err := Create("a", 1, c)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, os.WriteFile(c.path("text"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(c.Dir, "other"), nil, 0o600))
	names, err := Names(c)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "text"}, names)
	_, err = Names(Config{Dir: filepath.Join(c.Dir, "missing")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestAttachWaitsForARemoval has a remover between its two steps: every slot is held, and the name
// is still there. That is no full table.
func TestAttachWaitsForARemoval(t *testing.T) {
	c := inDir(t)
	s, err := Create("a", 1, c)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	f, err := openNamed("a", &c)
	require.NoError(t, err)
	defer f.Close()
	ok, err := liveness.TryLock(f, removerByte, allBytes)
	require.NoError(t, err)
	require.True(t, ok)

	// The remover is taking its time.
	unlinked := make(chan error)
	go func() { unlinked <- Unlink("a", c) }()
	_, err = Open("a", c)
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorIs(t, <-unlinked, ErrInUse)

	opened := make(chan error)
	go func() {
		_, err := Open("a", c)
		opened <- err
	}()
	require.NoError(t, unlinkFile(c.path("a"), f))
	require.ErrorIs(t, <-opened, ErrNotExist)
}

// TestRemoverThatWasStoppedTakesNoOtherSegment is a remover that looks, is stopped, and goes on when
// a new segment has the name.
func TestRemoverThatWasStoppedTakesNoOtherSegment(t *testing.T) {
	c := inDir(t)
	s, err := Create("a", 1, c)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	f, err := openNamed("a", &c)
	require.NoError(t, err)
	defer f.Close()

	require.NoError(t, Unlink("a", c))
	s, err = Create("a", 1, c)
	require.NoError(t, err)
	defer s.Close()
	require.ErrorIs(t, unlinkFile(c.path("a"), f), ErrNotExist)
	require.FileExists(t, c.path("a"))
}

func TestAFullTableIsTold(t *testing.T) {
	c := inDir(t)
	c.Participants = 1
	s, err := Create("a", 1, c)
	require.NoError(t, err)
	defer s.Close()
	_, err = Open("a", c)
	require.ErrorIs(t, err, ErrFull)
}

// TestRemoveRacesWithOpenOrCreate holds Remove to its promise: whoever is attached by name has the
// segment that everybody else finds under that name.
func TestRemoveRacesWithOpenOrCreate(t *testing.T) {
	c := inDir(t)
	ctx := bounded(t)
	stop := make(chan struct{})
	var remover, users sync.WaitGroup
	var removed atomic.Int64
	remover.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			switch err := Remove("a", c); {
			case err == nil:
				removed.Add(1)
			case !errors.Is(err, ErrInUse) && !errors.Is(err, ErrNotExist):
				t.Errorf("remove: %v", err)
				return
			}
		}
	})
	for range 2 {
		users.Go(func() {
			// With one processor it may take the remover a while to come when nobody is attached.
			for i := 0; i < 300 || removed.Load() == 0; i++ {
				require.NoError(t, ctx.Err())
				first, err := OpenOrCreate("a", 1, c)
				if err != nil {
					t.Errorf("open or create: %v", err)
					return
				}
				second, err := Open("a", c)
				if err != nil {
					t.Errorf("open what is attached: %v", err)
				} else {
					if first.ID() != second.ID() {
						t.Errorf("the name leads to %x, attached to %x", second.ID(), first.ID())
					}
					second.Close()
				}
				first.Close()
			}
		})
	}
	users.Wait()
	close(stop)
	remover.Wait()
}
