package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/crashlab"
)

// What several runs have kept makes one table: in the order of the cases, of two rows of an operation the last, and without
// those of operations that are no more. What is missing is said.
func TestKeptRowsMakeATable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows")
	rows := `{"operation":"b","trials":3,"survived":2,"failures":["was mended"]}
{"operations":1,"trials":3,"survived":2}
{"operation":"gone","trials":3,"survived":2}
{"operation":"a","trials":5,"survived":5}{"scenario":"s","trials":1,"survived":1,"limit_ms":100}
{"operation":"b","trials":4,"survived":4}
`
	require.NoError(t, os.WriteFile(path, []byte(rows), 0o644))
	page := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(page, []byte("<!-- crashlab: begin; go run ./cmd/crashlab -write writes this table -->\n<!-- crashlab: end -->\n"), 0o644))
	cases := []crashlab.Case{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	scenarios := []crashlab.Scenario{{Case: crashlab.Case{Name: "s"}}}
	var out, errs bytes.Buffer
	require.Zero(t, run(cases, scenarios, []string{"-from", path, "-write", page}, &out, &errs))
	require.Equal(t, "not tried: c\n", errs.String())
	require.Regexp(t, `(?s)a .* 5 .*b .* 4 .*s .*3 operations, 10 trials, 10 survived`, out.String())
	written, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Contains(t, string(written), "3 operations, 10 trials, 10 survived")

	require.NoError(t, os.WriteFile(path, []byte(rows+"{"), 0o644))
	require.Equal(t, 1, run(cases, scenarios, []string{"-from", path}, &out, &errs))
	require.Contains(t, errs.String(), path+": object 7: ")
}
