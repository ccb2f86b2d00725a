package segment

import "os"

// hugePage is what HugePages rounds a new segment up to, on every machine. It is the huge page of amd64,
// 386 and, with base pages of 4 KiB, arm64.
const hugePage = 2 << 20

// memory is what the options ask of the memory behind this attach's mappings.
type memory struct {
	huge, prefault, locked bool
}

// memoryOf is none for an observer, who changes nothing.
func memoryOf(c *Config) memory {
	if c.Observe {
		return memory{}
	}
	return memory{huge: c.HugePages, prefault: c.Prefault, locked: c.Locked}
}

// mapFor maps the segment as c asks for.
func mapFor(f *os.File, p plan, c *Config) (*mapping, error) {
	want := memoryOf(c)
	if want == (memory{}) {
		return newMapping(f, p.size, c.Observe)
	}
	m, err := want.mapping(f, p.size)
	if err != nil {
		return nil, err
	}
	end := uint64(p.size)
	if c.MaxBytes > 0 && uint64(c.MaxBytes) < end-p.heap {
		end = alignUp(p.heap+uint64(c.MaxBytes), pageAlign)
	}
	if err := want.provide(f, m, min(end, uint64(p.size))); err != nil {
		_ = m.unmap() // at once: it may be much memory
		return nil, err
	}
	return m, nil
}
