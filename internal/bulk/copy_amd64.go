//go:build amd64 && !race

package bulk

import "golang.org/x/sys/cpu"

// quick is whether the processor has string instructions that are quick for whatever length.
var quick = cpu.X86.HasERMS

// move copies src to dst, which is as long.
//
//go:noescape
func move(dst, src []byte)
