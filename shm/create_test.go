package shm_test

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

func TestWhatOneWritesTheOtherReads(t *testing.T) {
	s, dir, _ := named(t, "n", 1<<16)
	o, err := raw(s, 8, shm.Named("x"))
	require.NoError(t, err)
	copy(o.Bytes(), "there")
	other, err := shm.Open("n", dir)
	other = closed(t, other, err)
	require.Equal(t, s.ID(), other.ID())
	require.Equal(t, s.Size(), other.Size())
	there, err := find(other, "x")
	require.NoError(t, err)
	require.Equal(t, "there", string(there.Bytes()[:5]))
	copy(there.Bytes(), "back!")
	require.Equal(t, "back!", string(o.Bytes()[:5]))
}

func TestCreateFailsIfTheNameIsTakenAndOpenIfItIsNot(t *testing.T) {
	_, dir, path := named(t, "n", 1<<16)
	_, err := shm.Create("n", 1<<16, dir)
	require.ErrorIs(t, err, shm.ErrExist)
	require.ErrorContains(t, err, `shm: create "n"`)
	_, err = shm.Open("m", dir)
	require.ErrorIs(t, err, shm.ErrNotExist)
	require.ErrorContains(t, err, `shm: open "m"`)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = shm.Create("n", 1<<16, dir)
	require.ErrorIs(t, err, shm.ErrExist, "whatever the file is")
}

func TestOpenOrCreateDoesEither(t *testing.T) {
	dir := shm.Dir(t.TempDir())
	first, err := shm.OpenOrCreate("n", 1<<16, dir)
	first = closed(t, first, err)
	second, err := shm.OpenOrCreate("n", 1<<30, dir)
	second = closed(t, second, err)
	require.Equal(t, first.ID(), second.ID())
	require.Equal(t, first.Size(), second.Size(), "the size counts for the one that makes it")
}

func TestTheNameGoesAndTheSegmentStaysWithThoseWhoHaveIt(t *testing.T) {
	s, dir, path := named(t, "n", 1<<16)
	require.NoError(t, shm.Unlink("n", dir))
	require.NoFileExists(t, path)
	require.ErrorIs(t, shm.Unlink("n", dir), shm.ErrNotExist)
	_, err := shm.Open("n", dir)
	require.ErrorIs(t, err, shm.ErrNotExist)
	_, err = raw(s, 8)
	require.NoError(t, err)

	again, err := shm.Create("n", 1<<16, dir)
	again = closed(t, again, err)
	require.NotEqual(t, s.ID(), again.ID())
}

func TestNamesThatCannotBeAreRefused(t *testing.T) {
	dir := shm.Dir(t.TempDir())
	for _, name := range []string{"", "a/b", "/", "../n", "a\x00b", strings.Repeat("x", 201)} {
		_, err := shm.Create(name, 1<<16, dir)
		require.ErrorIs(t, err, shm.ErrName, "%q", name)
		_, err = shm.Open(name, dir)
		require.ErrorIs(t, err, shm.ErrName, "%q", name)
		_, err = shm.OpenOrCreate(name, 1<<16, dir)
		require.ErrorIs(t, err, shm.ErrName, "%q", name)
		require.ErrorIs(t, shm.Unlink(name, dir), shm.ErrName, "%q", name)
	}
	for _, name := range []string{".", "..", " ", "\n", "ünï", strings.Repeat("x", 200)} {
		s, err := shm.Create(name, 1<<16, dir)
		closed(t, s, err)
		s, err = shm.Open(name, dir)
		closed(t, s, err)
		require.NoError(t, shm.Unlink(name, dir))
	}
}

func TestObjectNamesThatCannotBeAreRefused(t *testing.T) {
	s, err := shm.Anonymous(1 << 16)
	s = closed(t, s, err)
	for _, name := range []string{"a\x00b", strings.Repeat("x", 256)} {
		_, err := raw(s, 8, shm.Named(name))
		require.ErrorIs(t, err, shm.ErrName)
		_, err = find(s, name)
		require.ErrorIs(t, err, shm.ErrName)
	}
	_, err = find(s, "")
	require.ErrorIs(t, err, shm.ErrName)
	for _, name := range []string{"/", "..", strings.Repeat("x", 255)} {
		_, err := raw(s, 8, shm.Named(name))
		require.NoError(t, err)
		_, err = find(s, name)
		require.NoError(t, err)
	}
	require.NoError(t, s.Check())
}

func TestSizesThatCannotBeAreRefused(t *testing.T) {
	dir := shm.Dir(t.TempDir())
	for _, size := range []int64{0, -1, math.MinInt64, 1<<43 + 1, 1 << 50, math.MaxInt64} {
		_, err := shm.Create("n", size, dir)
		require.ErrorIs(t, err, shm.ErrSize, "%d", size)
		_, err = shm.Anonymous(size)
		require.ErrorIs(t, err, shm.ErrSize, "%d", size)
		_, err = shm.OpenOrCreate("n", size, dir)
		require.ErrorIs(t, err, shm.ErrSize, "%d", size)
	}
	for _, n := range []int{0, -1, 65536} {
		_, err := shm.Anonymous(1<<16, shm.Participants(n))
		require.ErrorIs(t, err, shm.ErrSize, "%d participants", n)
		require.ErrorContains(t, err, fmt.Sprintf("%d participants,", n))
	}
	for _, size := range []int64{1, 1<<16 - 1, 1 << 20} {
		s, err := shm.Anonymous(size, shm.Participants(1))
		s = closed(t, s, err)
		require.GreaterOrEqual(t, s.Size(), size)
		require.Zero(t, s.Size()%(64<<10))
	}
}

// On a 64-bit machine address space is larger than what a Ref can name; on a 32-bit one it is not.
func TestASizeBeyondTheAddressSpaceIsAnErrorOfTheCall(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int64{1 << 31, 1 << 32, 1 << 43} {
		s, err := shm.Anonymous(size)
		if size > math.MaxInt {
			require.ErrorIs(t, err, shm.ErrSize)
		} else if err == nil {
			require.GreaterOrEqual(t, s.Size(), size)
			require.NoError(t, s.Check())
			require.NoError(t, s.Close())
		} else {
			require.ErrorIs(t, err, shm.ErrNoSpace)
		}
	}
	if math.MaxInt == math.MaxInt32 {
		_, err := shm.Create("n", 1<<32, shm.Dir(dir))
		require.ErrorIs(t, err, shm.ErrSize)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

// Address space runs out before memory does: 8 TiB fit a few times into that of a process.
func TestNoAddressSpaceIsAnErrorOfTheCall(t *testing.T) {
	var err error
	for range 40 {
		var s *shm.Segment
		size := int64(1 << 43)
		if math.MaxInt == math.MaxInt32 {
			size = 1 << 29
		}
		if s, err = shm.Anonymous(size); err != nil {
			break
		}
		closed(t, s, nil)
	}
	require.ErrorIs(t, err, shm.ErrNoSpace)
}

// What a closed segment took of the address space comes back with the collector, which is asked for it
// where it is scarce.
func TestLargeSegmentsCanBeMadeAndClosedWithoutEnd(t *testing.T) {
	size := int64(1 << 43)
	if math.MaxInt == math.MaxInt32 {
		size = 1 << 29
	}
	for range 40 {
		s, err := shm.Anonymous(size)
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
}

func TestTheModeIs0600UnlessAnotherIsGivenWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o777} {
		func() {
			defer unix.Umask(unix.Umask(umask))
			for name, want := range map[string]fs.FileMode{"private": 0o600, "group": 0o660, "all": 0o666} {
				var opts []shm.Option
				if want != 0o600 {
					opts = append(opts, shm.Mode(want))
				}
				s, path := create(t, name, opts...)
				info, err := os.Stat(path)
				require.NoError(t, err)
				require.Equal(t, want, info.Mode(), "umask %o", umask)
				require.NoError(t, s.Close())
			}
		}()
	}
}

// create is named without t.TempDir, which the umask would hit as well.
func create(t *testing.T, name string, opts ...shm.Option) (*shm.Segment, string) {
	dir, err := os.MkdirTemp("", "kindred")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o700))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	s, err := shm.Create(name, 1<<16, append(opts, shm.Dir(dir))...)
	require.NoError(t, err)
	return s, dir + "/kindred." + name
}

func TestADirectoryThatIsNotThereIsAnError(t *testing.T) {
	dir := shm.Dir(t.TempDir() + "/none")
	_, err := shm.Create("n", 1<<16, dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = shm.OpenOrCreate("n", 1<<16, dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = shm.Open("n", dir)
	require.ErrorIs(t, err, shm.ErrNotExist)
}

func TestAFailedCreateLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	_, err := shm.Create("n", 1<<16, shm.Dir(folder), shm.Participants(70000))
	require.Error(t, err)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestFileHandsTheSegmentOnAndBelongsToTheCaller(t *testing.T) {
	s, err := shm.Anonymous(1<<16, shm.Participants(2))
	s = closed(t, s, err)
	f, err := s.File()
	require.NoError(t, err)
	other, err := shm.FromFile(f)
	other = closed(t, other, err)
	require.Equal(t, s.ID(), other.ID())
	_, err = f.Stat()
	require.NoError(t, err, "FromFile leaves f open")
	require.NoError(t, f.Close())
	require.NoError(t, other.Check())
}

func TestMaxBytesBoundsWhatThisProcessMayTake(t *testing.T) {
	s, err := shm.Anonymous(1<<20, shm.MaxBytes(4096))
	s = closed(t, s, err)
	f, err := s.File()
	require.NoError(t, err)
	defer f.Close()
	other, err := shm.FromFile(f)
	other = closed(t, other, err)
	_, err = raw(s, 2048)
	require.NoError(t, err)
	_, err = raw(s, 2048)
	require.ErrorIs(t, err, shm.ErrNoSpace)
	_, err = raw(other, 1<<18)
	require.NoError(t, err, "others have a bound of their own")
	_, err = raw(s, 8)
	require.ErrorIs(t, err, shm.ErrNoSpace)
}

func TestAnObserverSeesAllAndChangesNothing(t *testing.T) {
	s, dir, _ := named(t, "n", 1<<16)
	o, err := raw(s, 8, shm.Named("x"))
	require.NoError(t, err)
	o.Bytes()[0] = 5
	eye, err := shm.Open("n", dir, shm.Observe())
	eye = closed(t, eye, err)
	there, err := find(eye, "x")
	require.NoError(t, err)
	require.EqualValues(t, 5, there.Bytes()[0])
	_, err = raw(eye, 8)
	require.ErrorIs(t, err, shm.ErrReadOnly)
	l := eye.Engine().LockAt(there.Offset())
	require.False(t, l.TryLock())
	require.ErrorIs(t, l.LockSlow(t.Context()), shm.ErrReadOnly)
	require.ErrorIs(t, l.Unlock(), shm.ErrReadOnly)
	require.ErrorIs(t, l.MarkConsistent(), shm.ErrReadOnly)
	require.NoError(t, eye.Check())
	seen := 0
	require.NoError(t, eye.Engine().Objects(func(_ segment.Object, name string) bool {
		require.Equal(t, "x", name)
		seen++
		return true
	}))
	require.Equal(t, 1, seen)
	all, err := eye.Engine().Participants()
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.True(t, all[0].Alive)
	require.NoError(t, eye.Close())
	require.ErrorIs(t, eye.Check(), shm.ErrClosed)
	require.NoError(t, s.Check())
}
