package demo

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// writeTree makes a directory of files, given as path and content in turn, and returns it without links in its path.
func writeTree(t *testing.T, pairs ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for i := 0; i < len(pairs); i += 2 {
		path := filepath.Join(root, pairs[i])
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(pairs[i+1]), 0o644))
	}
	return root
}

func names(t *tree) []string {
	var all []string
	for _, path := range t.files {
		all = append(all, t.name(path))
	}
	return all
}

func TestTreeHasEveryGoFileInOrder(t *testing.T) {
	dir := writeTree(t, "z.go", "package z", "a/b.go", "package a", "a-b.go", "package b",
		"a/c.txt", "no", "testdata/x.go/in.go", "package x", ".hidden/h.go", "package h")
	got, err := readTree(context.Background(), dir)
	require.NoError(t, err)
	require.Equal(t, []string{".hidden/h.go", "a-b.go", "a/b.go", "testdata/x.go/in.go", "z.go"}, names(got))
}

func TestTreeFollowsNoLinkOutOfItself(t *testing.T) {
	outside := writeTree(t, "out.go", "package out")
	dir := writeTree(t, "in.go", "package in")
	require.NoError(t, os.Symlink(filepath.Join(outside, "out.go"), filepath.Join(dir, "out.go")))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "dir.go")))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "dir")))
	require.NoError(t, os.Symlink("in.go", filepath.Join(dir, "same.go")))
	got, err := readTree(context.Background(), dir)
	require.NoError(t, err)
	require.Equal(t, []string{"in.go", "same.go"}, names(got))
	require.Equal(t, 2, got.links)
}

func TestTreeMayItselfBeALink(t *testing.T) {
	dir := writeTree(t, "in.go", "package in")
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	got, err := readTree(context.Background(), link)
	require.NoError(t, err)
	require.Equal(t, dir, got.root)
	require.Equal(t, []string{"in.go"}, names(got))
}

func TestTreeNamesWhatItCannotRead(t *testing.T) {
	ctx := context.Background()

	_, err := readTree(ctx, filepath.Join(t.TempDir(), "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "nowhere")

	dir := writeTree(t, "file", "no directory")
	_, err = readTree(ctx, filepath.Join(dir, "file"))
	require.ErrorContains(t, err, "file: not a directory")

	_, err = readTree(ctx, dir)
	require.ErrorIs(t, err, errNoFiles)
	require.ErrorContains(t, err, dir)

	dangling := writeTree(t, "in.go", "package in")
	require.NoError(t, os.Symlink("gone", filepath.Join(dangling, "x.go")))
	_, err = readTree(ctx, dangling)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "x.go")
}

func TestTreeStopsWhenTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := readTree(ctx, writeTree(t, "in.go", "package in"))
	require.ErrorIs(t, err, context.Canceled)
}

func TestGoSourcesHoldTheStandardLibrary(t *testing.T) {
	dir, err := goSources(context.Background())
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, "fmt", "print.go"))
}
