package futex

import (
	"debug/macho"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A symbol that the system's libraries lack ends a program before main, and nothing on this machine
// would notice. So the list of what the package adds to a program is held here: all of it is in
// macOS 12, the oldest that Go runs on. os_sync_wait_on_address and its family came with 14.4 and
// must be looked up when the program runs.
func TestDarwinProgramsImportOnlyWhatEveryMacHas(t *testing.T) {
	for _, arch := range []string{"arm64", "amd64"} {
		base := darwinImports(t, arch, "nothing")
		var added []string
		for _, name := range darwinImports(t, arch, "waits") {
			if !slices.Contains(base, name) {
				added = append(added, name)
			}
		}
		require.ElementsMatch(t, []string{"___ulock_wait2", "___ulock_wake", "_dlsym"}, added)
	}
}

// darwinImports builds a program of testdata for macOS and lists what it imports.
func darwinImports(t *testing.T, arch, name string) []string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-buildvcs=false", "-o", out, "./testdata/darwin/"+name)
	build.Env = append(os.Environ(), "GOOS=darwin", "GOARCH="+arch, "CGO_ENABLED=0")
	text, err := build.CombinedOutput()
	require.NoError(t, err, "%s", text)
	f, err := macho.Open(out)
	require.NoError(t, err)
	defer f.Close()
	symbols, err := f.ImportedSymbols()
	require.NoError(t, err)
	return symbols
}
