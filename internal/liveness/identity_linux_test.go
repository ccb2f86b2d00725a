package liveness

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStartTimeIsFoundBehindAnyName(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	for name, c := range map[string]struct {
		stat string
		want uint64
	}{
		"plain":         {"12 (kindred)" + rest, 4711},
		"with blanks":   {"12 (a b c d e f g)" + rest, 4711},
		"with brackets": {"12 (a) S 1 (b)))" + rest, 4711},
		"short":         {"12 (a) S 1 2 3", 0},
		"no number":     {"12 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x", 0},
		"empty":         {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "stat")
			require.NoError(t, os.WriteFile(path, []byte(c.stat), 0o600))
			require.Equal(t, c.want, startTime(path))
		})
	}
	require.Zero(t, startTime(filepath.Join(t.TempDir(), "none")))
}
