package proctest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Sleeps is how often threads of a process went to sleep, of those that it has.
func Sleeps(t testing.TB, pid int) (sleeps int) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	require.NoError(t, err)
	for _, name := range threads {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		_, after, _ := strings.Cut(string(b), "\nvoluntary_ctxt_switches:")
		var n int
		_, err = fmt.Sscan(after, &n)
		require.NoError(t, err)
		sleeps += n
	}
	return sleeps
}
