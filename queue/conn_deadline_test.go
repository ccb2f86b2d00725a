package queue

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASpanTellsAllOfItsEnd(t *testing.T) {
	s := new(span)
	require.NoError(t, s.Err())
	require.NoError(t, s.because())
	told, forgotten := 0, 0
	stop := s.AfterFunc(func() { told++ })
	forget := s.AfterFunc(func() { forgotten++ })
	derived, cancel := context.WithCancel(s)
	defer cancel()
	require.True(t, forget())
	require.False(t, forget())
	done := s.Done()
	s.end(os.ErrDeadlineExceeded)
	s.end(os.ErrClosed)
	<-done
	<-s.Done()
	<-derived.Done()
	require.Equal(t, 1, told)
	require.Zero(t, forgotten)
	require.False(t, stop())
	require.ErrorIs(t, s.Err(), context.Canceled)
	require.ErrorIs(t, s.because(), os.ErrDeadlineExceeded)
	s.AfterFunc(func() { told++ })
	require.Equal(t, 2, told, "one who comes later is told at once")
	<-(func() <-chan struct{} { late := new(span); late.end(os.ErrClosed); return late.Done() })()
}
