package segment

import "os"

// shm_open(3) of this system opens a file in defaultDir.

func createRaw(name string, size int64, c *Config) (*mapping, error) {
	return createRawFile(name, size, c)
}

func openRaw(name string, c *Config) (*os.File, error) { return openRawFile(name, c) }

func unlinkRaw(name string, c *Config) error { return unlinkRawFile(name, c) }
