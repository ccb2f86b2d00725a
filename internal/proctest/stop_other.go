//go:build !linux && !darwin

package proctest

import "errors"

// Stop is not supported here.
func Stop(int) error { return errors.ErrUnsupported }
