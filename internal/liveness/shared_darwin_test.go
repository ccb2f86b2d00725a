package liveness

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// sharedFile is a file with a name: one without cannot be opened again here.
func sharedFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "shared"))
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}
