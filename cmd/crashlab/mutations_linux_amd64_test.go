package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A lab that finds nothing proves nothing. Each patch breaks one line that a promise rests on; the lab,
// built with it, must turn red. The first lines of a patch say what breaks, and which cases are run.
func TestTheLabFindsEachMutation(t *testing.T) {
	patches, err := filepath.Glob("testdata/mutations/*.patch")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(patches), 5)
	for _, patch := range patches {
		t.Run(strings.TrimSuffix(filepath.Base(patch), ".patch"), func(t *testing.T) {
			lab := mutant(t, patch)
			text, err := os.ReadFile(patch)
			require.NoError(t, err)
			only := regexp.MustCompile(`(?m)^Case: (.*)$`).FindSubmatch(text)
			require.NotNil(t, only, "the patch does not say which case finds it")
			run := exec.Command(lab, "-case", string(only[1]), "-fails", "1", "-seconds", "0", "-pauses", "0", "-storms", "0")
			out, err := run.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the lab is green:\n%s", out)
			require.Equal(t, 1, exit.ExitCode(), "%s", out)
			require.Contains(t, string(out), "FAILED", "it did not come to a trial:\n%s", out)
		})
	}
}

// mutant builds the lab with the patch applied to a copy of the files that it is about, and with the cases of those packages
// alone that the patches name: the others take most of the time to compile.
func mutant(t *testing.T, patch string) string {
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	absolute, err := filepath.Abs(patch)
	require.NoError(t, err)
	text, err := os.ReadFile(patch)
	require.NoError(t, err)
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for _, m := range regexp.MustCompile(`(?m)^\+\+\+ b/(.*)$`).FindAllSubmatch(text, -1) {
		name := string(m[1])
		source, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		copied := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(copied), 0o700))
		require.NoError(t, os.WriteFile(copied, source, 0o600))
		overlay.Replace[filepath.Join(root, name)] = copied
	}
	require.NotEmpty(t, overlay.Replace)
	whole, err := os.ReadFile("main.go")
	require.NoError(t, err)
	lean := regexp.MustCompile(`(?m)^\t(queue|state|proc|pool)cases ".*"\n|(queue|state|proc|pool)cases\.Cases\(\),`).ReplaceAll(whole, nil)
	require.NotEqual(t, whole, lean)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), lean, 0o600))
	overlay.Replace[filepath.Join(root, "cmd/crashlab/main.go")] = filepath.Join(dir, "main.go")
	command(t, dir, "git", "apply", "--unsafe-paths", "-p1", absolute)
	list, err := json.Marshal(overlay)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600))
	lab := filepath.Join(dir, "crashlab")
	command(t, ".", "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", lab, ".")
	return lab
}

func command(t *testing.T, dir string, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	require.NoError(t, c.Run(), "%s %s: %s", name, strings.Join(args, " "), out.String())
}
