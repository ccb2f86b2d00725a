//go:build linux || darwin

package segment

import (
	"os"
	"path/filepath"
)

func (c *Config) rawPath(name string) string { return filepath.Join(filepath.Dir(c.path("")), name) }

// createRawFile makes a raw segment that is a file in a directory. Whoever dies before the link leaves nothing of
// that name.
func createRawFile(name string, size int64, c *Config) (*mapping, error) {
	path := c.rawPath(name)
	if _, err := os.Lstat(path); err == nil {
		return nil, ErrExist
	}
	f, err := unnamedFile(filepath.Dir(path), c.Mode)
	if err != nil {
		return nil, err
	}
	m, err := sizeRaw(f, size, c)
	if err != nil {
		abandon(f)
		return nil, err
	}
	defer f.Close()
	if err := link(f, path); err != nil {
		_ = m.unmap()
		return nil, err
	}
	return m, nil
}

// sizeRaw gives a new file its size, backs it with memory, and maps it.
func sizeRaw(f *os.File, size int64, c *Config) (*mapping, error) {
	if err := truncate(f, size); err != nil {
		return nil, err
	}
	if err := commit(f, 0, size); err != nil {
		return nil, err
	}
	return mapRaw(f, size, c)
}

func openRawFile(name string, c *Config) (*os.File, error) { return openFile(c.rawPath(name), c) }

func unlinkRawFile(name string, c *Config) error { return unlinkPath(c.rawPath(name)) }

// mapRaw maps it as c asks for, in pages of the usual size.
func mapRaw(f *os.File, size int64, c *Config) (*mapping, error) {
	want := memoryOf(c)
	want.huge = false
	if want == (memory{}) {
		return newMapping(f, size, c.Observe)
	}
	m, err := want.mapping(f, size)
	if err != nil {
		return nil, err
	}
	if err := want.provide(f, m, m.size()); err != nil {
		_ = m.unmap()
		return nil, err
	}
	return m, nil
}
