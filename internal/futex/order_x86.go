//go:build amd64 || 386

package futex

// LoadFence keeps the loads before it, plain ones too, before those behind it. On x86 loads are made in
// program order, and the compiler keeps plain ones before an atomic one that follows.
func LoadFence() {}

// StoreFence keeps the stores before it before those behind it, plain ones too. On x86 stores become
// visible in program order, and the compiler keeps plain ones behind an atomic one.
func StoreFence() {}
