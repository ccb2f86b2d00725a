//go:build !linux

package segment

import (
	"fmt"
	"os"
)

func (want memory) mapping(*os.File, int64) (*mapping, error) {
	return nil, fmt.Errorf("huge pages, prefault, locked memory: %w", ErrUnsupported)
}

func (want memory) provide(*os.File, *mapping, uint64) error { return nil }

func (want memory) view(*mapping) error { return nil }
