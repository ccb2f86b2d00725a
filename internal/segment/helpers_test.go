package segment

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/liveness"
)

// ctx ends long after any test should have, so that a hang is an error with a line.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// anonymous makes a segment that is closed after the test.
func anonymous(t testing.TB, size int64, c Config) *Segment {
	s, err := Anonymous(size, c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// again attaches once more to s: a participant of its own, within this process.
func again(t testing.TB, s *Segment, c Config) *Segment {
	other, err := tryAgain(t, s, c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	return other
}

func tryAgain(t testing.TB, s *Segment, c Config) (*Segment, error) {
	f, err := s.File()
	require.NoError(t, err)
	defer f.Close()
	return FromFile(f, c)
}

// mortal attaches once more to s, for die.
func mortal(t testing.TB, s *Segment) *Segment {
	other, err := tryAgain(t, s, Config{})
	require.NoError(t, err)
	return other
}

// die leaves s as a kill does: the kernel takes its memory and closes its descriptor, and nothing
// else happens. (A mapping alone keeps the open file description, and with it the lock.)
func die(t testing.TB, s *Segment) {
	require.NoError(t, s.m.cutLoose())
	for _, v := range s.views {
		require.NoError(t, v.cutLoose())
	}
	require.NoError(t, s.file.Close())
}

// lockByte has s take o's byte, as a sweeper does.
func lockByte(s *Segment, o Owner) error {
	ok, err := liveness.TryLock(s.file, lockBase+int64(o.slot()), 1)
	if err == nil && !ok {
		err = errors.New("held")
	}
	return err
}

// requireWatched demands that o lives, and that its death would be pushed to s.
func requireWatched(t *testing.T, s *Segment, o Owner, why ...any) {
	t.Helper()
	gone, news := s.watch(o)
	require.False(t, gone, why...)
	require.Equal(t, pushed, news, why...)
}
