package proctest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

// Attach is one more participant of s, as another process would be. It is closed after the test.
func Attach(t testing.TB, s *shm.Segment) *shm.Segment {
	t.Helper()
	f, err := s.File()
	require.NoError(t, err)
	defer f.Close()
	other, err := shm.FromFile(f)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	return other
}
