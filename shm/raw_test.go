package shm_test

import (
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

// rawIn makes a raw segment in a directory of the test's own.
func rawIn(t testing.TB, size int64, opts ...shm.Option) (r *shm.Raw, dir shm.Option, folder string) {
	t.Helper()
	folder = t.TempDir()
	dir = shm.Dir(folder)
	r, err := shm.CreateRaw("r", size, append(opts, dir)...)
	return rawClosed(t, r, err), dir, folder
}

func rawClosed(t testing.TB, r *shm.Raw, err error) *shm.Raw {
	t.Helper()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func TestARawSegmentIsNothingButItsBytes(t *testing.T) {
	r, dir, folder := rawIn(t, 100)
	require.EqualValues(t, 100, r.Size())
	require.Equal(t, make([]byte, 100), r.Bytes())
	copy(r.Bytes()[90:], "there")
	other, err := shm.OpenRaw("/r", dir)
	other = rawClosed(t, other, err)
	require.Equal(t, "r", other.Name())
	require.EqualValues(t, 100, other.Size())
	require.Equal(t, "there", string(other.Bytes()[90:95]))
	copy(other.Bytes(), "back")
	text, err := os.ReadFile(filepath.Join(folder, "r"))
	require.NoError(t, err)
	require.Equal(t, r.Bytes(), text)
	require.Equal(t, "back", string(text[:4]))
	info, err := os.Stat(filepath.Join(folder, "r"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
}

func TestARawSegmentIsReadAndWrittenWithinItsBounds(t *testing.T) {
	r, dir, _ := rawIn(t, 10)
	n, err := r.WriteAt([]byte("0123456789"), 0)
	require.NoError(t, err)
	require.Equal(t, 10, n)
	for _, off := range []int64{-1, 1, 11, math.MinInt64, math.MaxInt64} {
		_, err := r.WriteAt([]byte("0123456789"), off)
		require.ErrorIs(t, err, shm.ErrSize)
		require.ErrorContains(t, err, `shm: write raw "r": 10 bytes at`)
	}
	p := make([]byte, 4)
	n, err = r.ReadAt(p, 6)
	require.NoError(t, err)
	require.Equal(t, "6789", string(p[:n]))
	for off, want := range map[int64]string{7: "789", 10: "", 11: "", math.MaxInt64: ""} {
		n, err = r.ReadAt(p, off)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, want, string(p[:n]))
	}
	_, err = r.ReadAt(p, -1)
	require.ErrorIs(t, err, shm.ErrSize)

	eye, err := shm.OpenRaw("r", dir, shm.Observe())
	eye = rawClosed(t, eye, err)
	_, err = eye.WriteAt([]byte("x"), 0)
	require.ErrorIs(t, err, shm.ErrReadOnly)
	_, err = r.WriteAt([]byte("x"), 0)
	require.NoError(t, err)
	_, err = eye.ReadAt(p, 0)
	require.NoError(t, err)
	require.Equal(t, "x123", string(p))
}

func TestARawSegmentThatIsClosed(t *testing.T) {
	r, dir, _ := rawIn(t, 4)
	view := r.Bytes()
	copy(view, "abcd")
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	require.Equal(t, make([]byte, 4), view)
	copy(view, "efgh") // into zeros of this process's own
	_, err := r.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = r.WriteAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = r.ShareableList()
	require.ErrorIs(t, err, shm.ErrClosed)
	other, err := shm.OpenRaw("r", dir)
	other = rawClosed(t, other, err)
	require.Equal(t, "abcd", string(other.Bytes()), "the name stays, and so does the memory")
}

func TestTheNameOfARawSegmentGoesOnceAndItsMemoryStays(t *testing.T) {
	r, dir, folder := rawIn(t, 1)
	require.NoError(t, shm.UnlinkRaw("/r", dir))
	require.ErrorIs(t, shm.UnlinkRaw("r", dir), shm.ErrNotExist)
	_, err := shm.OpenRaw("r", dir)
	require.ErrorIs(t, err, shm.ErrNotExist)
	require.ErrorContains(t, err, `shm: open raw "r"`)
	r.Bytes()[0] = 1
	again, err := shm.CreateRaw("r", 1, dir)
	again = rawClosed(t, again, err)
	require.Zero(t, again.Bytes()[0])
	_, err = shm.CreateRaw("r", 1, dir)
	require.ErrorIs(t, err, shm.ErrExist)
	names, err := shm.Collect(dir)
	require.NoError(t, err)
	require.Empty(t, names)
	require.FileExists(t, filepath.Join(folder, "r"), "Collect leaves it")
}

func TestOpenOrCreateRawDoesEither(t *testing.T) {
	dir := shm.Dir(t.TempDir())
	a, err := shm.OpenOrCreateRaw("r", 10, dir)
	a = rawClosed(t, a, err)
	b, err := shm.OpenOrCreateRaw("r", 20, dir)
	b = rawClosed(t, b, err)
	require.EqualValues(t, 10, b.Size())
	a.Bytes()[9] = 1
	require.EqualValues(t, 1, b.Bytes()[9])
}

func TestRawSegmentsThatCannotBe(t *testing.T) {
	folder := t.TempDir()
	dir := shm.Dir(folder)
	for _, name := range []string{"", "/", ".", "..", "//r", "a/b", "a\x00b", "kindred.r", "/kindred.r", strings.Repeat("x", 256)} {
		_, err := shm.CreateRaw(name, 1, dir)
		require.ErrorIs(t, err, shm.ErrName, "%q", name)
		_, err = shm.OpenRaw(name, dir)
		require.ErrorIs(t, err, shm.ErrName, "%q", name)
		_, err = shm.OpenOrCreateRaw(name, 1, dir)
		require.ErrorIs(t, err, shm.ErrName, "%q", name)
		require.ErrorIs(t, shm.UnlinkRaw(name, dir), shm.ErrName, "%q", name)
	}
	for _, size := range []int64{0, -1, math.MinInt64, math.MaxInt64} {
		_, err := shm.CreateRaw("r", size, dir)
		require.ErrorIs(t, err, shm.ErrSize, "%d", size)
	}
	for _, name := range []string{"a:b", "a\nb", "ünï", strings.Repeat("x", 255)} {
		r, err := shm.CreateRaw(name, 1, dir)
		rawClosed(t, r, err)
		require.NoError(t, shm.UnlinkRaw(name, dir))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "empty"), nil, 0o600))
	_, err := shm.OpenRaw("empty", dir)
	require.ErrorIs(t, err, shm.ErrTruncated)
	require.NoError(t, os.Mkdir(filepath.Join(folder, "directory"), 0o700))
	_, err = shm.OpenRaw("directory", dir)
	require.ErrorIs(t, err, shm.ErrNotSegment)
	require.NoError(t, os.Symlink("empty", filepath.Join(folder, "link")))
	_, err = shm.OpenRaw("link", dir)
	require.ErrorIs(t, err, shm.ErrNotSegment)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, left, 3, "nothing is left of what failed")
}
