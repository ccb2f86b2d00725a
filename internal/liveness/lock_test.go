//go:build linux || darwin

package liveness

import (
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// reopened is a description of its own of f's file.
func reopened(t *testing.T, f *os.File) *os.File {
	t.Helper()
	own, err := Reopen(f)
	require.NoError(t, err)
	t.Cleanup(func() { own.Close() })
	return own
}

func requireHeld(t *testing.T, want bool, f *os.File, off int64) {
	t.Helper()
	held, err := Held(f, off)
	require.NoError(t, err)
	require.Equal(t, want, held)
}

func requireTry(t *testing.T, want bool, f *os.File, off, n int64) {
	t.Helper()
	ok, err := TryLock(f, off, n)
	require.NoError(t, err)
	require.Equal(t, want, ok)
}

func TestDescriptionsExcludeEachOther(t *testing.T) {
	f := sharedFile(t)
	a, b := reopened(t, f), reopened(t, f)
	requireTry(t, true, a, heldByte, 1)
	requireTry(t, true, a, heldByte, 1)
	requireTry(t, false, b, heldByte, 1)
	requireTry(t, false, b, heldByte-3, 10)
	requireTry(t, true, b, heldByte+1, 1)
	requireHeld(t, true, b, heldByte)
	requireHeld(t, false, a, heldByte) // its own does not count
	requireHeld(t, true, a, heldByte+1)
	require.NoError(t, Unlock(a, heldByte, 1))
	requireTry(t, true, b, heldByte, 1)
}

func TestTheLastByteOfAnyFileCanBeLocked(t *testing.T) {
	f := sharedFile(t)
	a, b := reopened(t, f), reopened(t, f)
	requireTry(t, true, a, math.MaxInt64-1, 1)
	requireHeld(t, true, b, math.MaxInt64-1)
}

func TestAProbeRefusesNobody(t *testing.T) {
	f := sharedFile(t)
	a, b := reopened(t, f), reopened(t, f)
	for range 100 {
		requireHeld(t, false, a, heldByte)
		requireTry(t, true, b, heldByte, 1)
		require.NoError(t, Unlock(b, heldByte, 1))
	}
}

func TestALockEndsWithItsLastDescriptor(t *testing.T) {
	f := sharedFile(t)
	a, b := reopened(t, f), reopened(t, f)
	requireTry(t, true, a, heldByte, 1)
	var second int
	require.NoError(t, withFd(a, func(fd uintptr) (err error) {
		second, err = unix.Dup(int(fd))
		return err
	}))
	require.NoError(t, a.Close())
	requireHeld(t, true, b, heldByte)
	require.NoError(t, unix.Close(second))
	requireHeld(t, false, b, heldByte)
}

func TestAClosedFileIsAnError(t *testing.T) {
	f := reopened(t, sharedFile(t))
	require.NoError(t, f.Close())
	_, err := TryLock(f, heldByte, 1)
	require.Error(t, err)
	_, err = Held(f, heldByte)
	require.Error(t, err)
	require.Error(t, Unlock(f, heldByte, 1))
	_, err = Reopen(f)
	require.Error(t, err)
}
