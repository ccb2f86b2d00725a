//go:build !linux && !darwin

package liveness

import "os"

// TryLock fails with ErrUnsupported.
func TryLock(*os.File, int64, int64) (bool, error) { return false, ErrUnsupported }

// Unlock fails with ErrUnsupported.
func Unlock(*os.File, int64, int64) error { return ErrUnsupported }

// Held fails with ErrUnsupported.
func Held(*os.File, int64) (bool, error) { return false, ErrUnsupported }

// HeldAny fails with ErrUnsupported.
func HeldAny(*os.File, int64, int64) (bool, error) { return false, ErrUnsupported }

// Reopen fails with ErrUnsupported.
func Reopen(*os.File) (*os.File, error) { return nil, ErrUnsupported }
