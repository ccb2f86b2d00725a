//go:build !linux

package segment

import (
	"errors"
	"os"
)

// decommit would give memory back to the system; nothing does that here to a file that stays mapped.
func decommit(*os.File, int64, int64) error { return errors.ErrUnsupported }
