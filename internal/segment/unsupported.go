//go:build !linux && !darwin

package segment

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Nothing here is reached but supported, path and isFull: every way to a segment asks first.

func supported() bool { return false }

func (c *Config) path(name string) string { return filepath.Join(c.Dir, "kindred."+name) }

func isFull(error) bool { return false }

func anonymousFile(int64) (*os.File, error)             { return nil, ErrUnsupported }
func unnamedFile(string, fs.FileMode) (*os.File, error) { return nil, ErrUnsupported }
func openFile(string, *Config) (*os.File, error)        { return nil, ErrUnsupported }
func truncate(*os.File, int64) error                    { return ErrUnsupported }
func commit(*os.File, int64, int64) error               { return ErrUnsupported }
func link(*os.File, string) error                       { return ErrUnsupported }
func linked(*os.File) bool                              { return false }
func unlinkPath(string) error                           { return ErrUnsupported }
func abandon(f *os.File)                                { f.Close() }

const lockedHere = false

func createRaw(string, int64, *Config) (*mapping, error) { return nil, ErrUnsupported }
func openRaw(string, *Config) (*os.File, error)          { return nil, ErrUnsupported }
func mapRaw(*os.File, int64, *Config) (*mapping, error)  { return nil, ErrUnsupported }
func unlinkRaw(string, *Config) error                    { return ErrUnsupported }

func openLocks(*os.File, *mapping, plan) (*os.File, error) { return nil, ErrUnsupported }
func closeLocks(*os.File, *os.File, uint64) error          { return nil }
func inherit(*os.File) (*os.File, error)                   { return nil, ErrUnsupported }
func (s *Segment) settled() error                          { return ErrUnsupported }
func (s *Segment) handOut() (*os.File, error)              { return nil, ErrUnsupported }

func newMapping(*os.File, int64, bool) (*mapping, error)        { return nil, ErrUnsupported }
func mapTwice(*os.File, uint64, uint64, bool) (*mapping, error) { return nil, ErrUnsupported }
func (m *mapping) unmap() error                                 { return nil }
func (m *mapping) cutLoose() error                              { return nil }
