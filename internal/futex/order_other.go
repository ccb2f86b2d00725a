//go:build !amd64 && !386 && !arm64

package futex

import "sync/atomic"

var fenced atomic.Uint32

// LoadFence keeps the loads before it, plain ones too, before those behind it.
func LoadFence() { fenced.Add(0) }

// StoreFence keeps the stores before it before those behind it, plain ones too.
func StoreFence() { fenced.Add(0) }
