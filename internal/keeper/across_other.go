//go:build !linux

package keeper

import (
	"fmt"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// table is for systems where one process takes descriptors of another.
type table struct{}

func (*table) publish(Token, int) {}
func (*table) withdraw(Token)     {}
func (*table) close()             {}

func takeFrom(pid int, _ Token) (int, error) {
	return -1, fmt.Errorf("process %d is of another family, and this system has no call to take a descriptor of it: %w", pid, ErrGone)
}

func segmentFrom(*segment.Segment, uint64) (int, error) {
	return -1, fmt.Errorf("this system has no call to take a descriptor of a process of another family: %w", ErrGone)
}
