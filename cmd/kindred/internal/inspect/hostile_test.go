//go:build linux || darwin

package inspect

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

func TestBadUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"show"}, "kindred show: NAME is missing"},
		{[]string{"check", "a", "b"}, `kindred check: unexpected argument "b"`},
		{[]string{"ls", "a"}, `kindred ls: unexpected argument "a"`},
		{[]string{"rm", "-x", "a"}, "flag provided but not defined: -x"},
		{[]string{"rm", "a", "-x"}, "flag provided but not defined: -x"},
		{[]string{"gc", "-owner", "me"}, `invalid value "me"`},
	} {
		require.Contains(t, refuse(t, exitUsage, c.args...), c.says)
	}
	status, _, usage := run(t, "show", "-h")
	require.Equal(t, exitDone, status)
	require.Contains(t, usage, "usage: kindred show [flags] NAME")
}

func TestClearErrors(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"show", "check", "rm"} {
		require.Equal(t, "kindred "+name+": \"none\": does not exist\n", refuse(t, exitFailed, name, "-dir", dir, "none"))
		require.Contains(t, refuse(t, exitFailed, name, "-dir", dir, "a/b"), "contains a slash")
	}
	missing := filepath.Join(dir, "missing")
	require.Contains(t, refuse(t, exitFailed, "ls", "-dir", missing), "no such file or directory")
	require.Contains(t, refuse(t, exitFailed, "gc", "-dir", missing), "no such file or directory")
	require.Equal(t, "no segments in "+dir+"\n", succeed(t, "ls", "-dir", dir))
	require.Equal(t, "[]\n", succeed(t, "ls", "-json", "-dir", dir))
}

// TestBrokenFilesAreListedWithTheReason has one of each.
func TestBrokenFilesAreListedWithTheReason(t *testing.T) {
	h := build(t, "sound")
	file := func(name string) string { return filepath.Join(h.dir, "kindred."+name) }
	whole, err := os.ReadFile(file("sound"))
	require.NoError(t, err)
	says := map[string]string{}
	put := func(name, reason string, content []byte) {
		require.NoError(t, os.WriteFile(file(name), content, 0o600))
		says[name] = reason
	}
	patched := func(off int, b byte) []byte {
		p := bytes.Clone(whole)
		p[off] ^= b
		return p
	}
	put("empty", "not a segment", nil)
	put("text", "not a segment", []byte("this is a text, and it is longer than a magic word"))
	put("cut", "truncated segment", whole[:len(whole)-1])
	put("stump", "truncated segment", whole[:100])
	put("next", "segment of another version", patched(8, 2))
	put("layout", "layout differs", patched(16, 1))
	put("odd", "header contradicts itself: corrupt", patched(12, 1))
	require.NoError(t, os.Symlink(file("sound"), file("link")))
	says["link"] = "is a symbolic link: not a segment"
	require.NoError(t, os.Mkdir(file("directory"), 0o700))
	says["directory"] = "is no plain file: not a segment"
	require.NoError(t, unix.Mkfifo(file("pipe"), 0o600))
	says["pipe"] = "is no plain file: not a segment"
	if os.Geteuid() == 0 {
		put("theirs", "belongs to uid 12345: file belongs to another user", whole)
		require.NoError(t, os.Chown(file("theirs"), 12345, -1))
	}

	out := succeed(t, "ls", "-dir", h.dir)
	require.Regexp(t, `(?m)^sound +`, out)
	for name, reason := range says {
		require.Regexp(t, `(?m)^cannot open "`+name+`": .*`+reason+`$`, out)
		for _, command := range []string{"show", "check"} {
			require.Contains(t, refuse(t, exitFailed, command, "-dir", h.dir, name), reason)
		}
	}
	if os.Geteuid() == 0 {
		require.Regexp(t, `(?m)^theirs +1\.3 MiB `, succeed(t, "ls", "-owner", "12345", "-dir", h.dir))
	}

	// Nothing that cannot be proven dead is collected, and rm says how to go on.
	require.Equal(t, "removed cut\nremoved layout\nremoved odd\nremoved stump\n", succeed(t, "gc", "-dir", h.dir))
	for _, name := range []string{"text", "next"} {
		require.Contains(t, refuse(t, exitFailed, "rm", "-dir", h.dir, name), "-f removes the file all the same")
		succeed(t, "rm", "-f", name, "-dir", h.dir)
		require.NoFileExists(t, file(name))
	}
}

func TestNamesAreQuotedForTheTerminal(t *testing.T) {
	const escape = "\x1b[2J\x7f\u009bgotcha"
	dir := shm.Dir(t.TempDir())
	seg, err := shm.Create(escape, 1, dir, shm.Participants(4), shm.As(escape))
	require.NoError(t, err)
	defer seg.Close()
	_, err = sync.NewMutex(seg, shm.Named(escape))
	require.NoError(t, err)
	var c segment.Config
	dir(&c)
	for _, args := range [][]string{{"ls"}, {"show", escape}, {"check", escape}} {
		out := succeed(t, append(args, "-dir", c.Dir)...)
		require.Contains(t, out, `"\x1b[2J\x7f\u009bgotcha"`)
		require.NotContains(t, out, "\x1b")
	}
	for _, args := range [][]string{{"ls"}, {"show", escape}} {
		out := succeed(t, append(args, "-json", "-dir", c.Dir)...)
		require.Contains(t, out, `"\u001b[2J\u007f\u009bgotcha"`)
		require.NotContains(t, strings.TrimSuffix(out, "\n"), "\n")
		require.False(t, strings.ContainsFunc(strings.TrimSuffix(out, "\n"), unicode.IsControl))
		require.True(t, json.Valid([]byte(out)))
	}
	require.NotContains(t, refuse(t, exitFailed, "rm", "-dir", c.Dir, escape), "\x1b")
	require.NoError(t, os.WriteFile(filepath.Join(c.Dir, "kindred.b"+escape), nil, 0o600))
	require.NotContains(t, succeed(t, "ls", "-dir", c.Dir), "\x1b")
}

// TestTruncationDuringALookIsAnError has a page go away between two reads of it.
func TestTruncationDuringALookIsAnError(t *testing.T) {
	h := build(t, "house")
	config := segment.Config{Dir: h.dir, Owner: -1}
	path := filepath.Join(h.dir, "kindred.house")
	err := observe("house", config, func(s *segment.Segment) error {
		require.NoError(t, os.Truncate(path, 4096))
		return new(report).read(s)
	})
	require.ErrorIs(t, err, segment.ErrTruncated)
	// Nobody may look at the segment of this process any more, which would be a fault.
	require.NoError(t, os.Truncate(path, h.seg.Size()))
}
