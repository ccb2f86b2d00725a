package shm_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// closed has s closed after the test.
func closed(t testing.TB, s *shm.Segment, err error) *shm.Segment {
	t.Helper()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// named makes a segment of that name in a directory of the test's own.
func named(t testing.TB, name string, size int64, opts ...shm.Option) (s *shm.Segment, dir shm.Option, path string) {
	t.Helper()
	folder := t.TempDir()
	dir = shm.Dir(folder)
	s, err := shm.Create(name, size, append(opts, dir)...)
	return closed(t, s, err), dir, filepath.Join(folder, "kindred."+name)
}

// raw makes a block of n bytes, for whoever wants to see the memory itself.
func raw(s *shm.Segment, n uint64, opts ...shm.ObjectOption) (segment.Object, error) {
	spec := segment.Spec{Kind: segment.KindRaw, Size: n}
	for _, o := range opts {
		o(&spec)
	}
	return s.Engine().New(spec)
}

// find finds a block that raw made.
func find(s *shm.Segment, name string) (segment.Object, error) {
	return s.Engine().Lookup(name, segment.KindRaw, 0)
}

// patch writes b into a file.
func patch(t testing.TB, path string, off int64, b ...byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteAt(b, off)
	require.NoError(t, err)
}
