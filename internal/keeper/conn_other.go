//go:build !linux && !darwin

package keeper

import (
	"syscall"

	"github.com/kindred-ipc/kindred/internal/segment"
)

type conn struct{}

func newConn(int) (*conn, error)           { return nil, segment.ErrUnsupported }
func (*conn) close()                       {}
func (*conn) write([]byte, []int) error    { return segment.ErrUnsupported }
func (*conn) read() ([]byte, []int, error) { return nil, nil, segment.ErrUnsupported }
func (*store) serve(int) error             { return segment.ErrUnsupported }
func closeFd(int)                          {}
func duplicateFd(int) (int, error)         { return -1, segment.ErrUnsupported }
func fileOf(*segment.Segment) (int, error) { return -1, segment.ErrUnsupported }

// DuplicateOf is for systems that have descriptors.
func DuplicateOf(syscall.Conn) (int, error) { return -1, segment.ErrUnsupported }
