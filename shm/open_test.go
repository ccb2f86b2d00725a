package shm_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/shm"
)

// Where the header's fields are; see docs/LAYOUT.md.
const (
	atMagic        = 0
	atVersion      = 8
	atParticipants = 12
	atLayout       = 16
	atSize         = 24
	atID           = 32
	atTable        = 40
	atHeap         = 48
	headerSize     = 384
)

func le(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

func TestWhatIsNoSegmentIsSaidToBeNone(t *testing.T) {
	folder := t.TempDir()
	dir, path := shm.Dir(folder), folder+"/kindred.n"
	text := bytes.Repeat([]byte("This is a text, and no segment.\n"), 4096)
	for name, content := range map[string][]byte{
		"empty": nil, "a byte": {0x7f}, "text": text, "zeros": make([]byte, 1<<20), "ones": bytes.Repeat([]byte{0xff}, 1<<20),
	} {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		_, err := shm.Open("n", dir)
		require.ErrorIs(t, err, shm.ErrNotSegment, name)
		_, err = shm.Open("n", dir, shm.Observe())
		require.ErrorIs(t, err, shm.ErrNotSegment, name)
		_, err = shm.OpenOrCreate("n", 1<<16, dir)
		require.ErrorIs(t, err, shm.ErrNotSegment, name)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, after), "the file is as it was")
	}
}

func TestWhatIsNoPlainFileIsNotOpened(t *testing.T) {
	_, dir, path := named(t, "n", 1<<16)
	target := path + ".real"
	require.NoError(t, os.Rename(path, target))
	for what, make := range map[string]func() error{
		"symbolic link":          func() error { return os.Symlink(target, path) },
		"dangling symbolic link": func() error { return os.Symlink("/none", path) },
		"FIFO":                   func() error { return unix.Mkfifo(path, 0o600) },
		"directory":              func() error { return os.Mkdir(path, 0o700) },
		"socket":                 func() error { return unix.Mknod(path, unix.S_IFSOCK|0o600, 0) },
	} {
		require.NoError(t, make())
		_, err := shm.Open("n", dir)
		require.ErrorIs(t, err, shm.ErrNotSegment, what)
		_, err = shm.Open("n", dir, shm.Observe())
		require.ErrorIs(t, err, shm.ErrNotSegment, what)
		_, err = shm.OpenOrCreate("n", 1<<16, dir)
		require.ErrorIs(t, err, shm.ErrNotSegment, what)
		_, err = shm.Create("n", 1<<16, dir)
		require.ErrorIs(t, err, shm.ErrExist, what)
		require.NoError(t, os.Remove(path))
	}
}

func TestADescriptorOfSomethingElseIsNotAttachedTo(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	folder, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer folder.Close()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	require.NoError(t, err)
	defer null.Close()
	text, err := os.Create(t.TempDir() + "/text")
	require.NoError(t, err)
	defer text.Close()
	_, err = text.WriteString("no segment")
	require.NoError(t, err)
	for _, f := range []*os.File{r, w, folder, null, text} {
		_, err := shm.FromFile(f)
		require.ErrorIs(t, err, shm.ErrNotSegment, f.Name())
	}
	closed, err := os.Open("/dev/null")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	_, err = shm.FromFile(closed)
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestAHeaderThatIsNotAsItShouldBeIsSaidToBeSo(t *testing.T) {
	for what, c := range map[string]struct {
		off  int64
		b    []byte
		want error
	}{
		"other magic":         {atMagic, []byte("\x7fKINDRD9"), shm.ErrNotSegment},
		"later version":       {atVersion, []byte{2}, shm.ErrVersion},
		"version 0":           {atVersion, []byte{0}, shm.ErrVersion},
		"other layout":        {atLayout, le(1), shm.ErrLayout},
		"longer than it is":   {atSize, le(1 << 40), shm.ErrTruncated},
		"longer than all":     {atSize, le(1 << 63), shm.ErrTruncated},
		"shorter than tables": {atSize, le(4096), shm.ErrCorrupt},
		"no size":             {atSize, le(0), shm.ErrCorrupt},
		"no identity":         {atID, le(0), shm.ErrCorrupt},
		"no participants":     {atParticipants, []byte{0, 0, 0, 0}, shm.ErrCorrupt},
		"too many":            {atParticipants, []byte{0, 0, 1, 0}, shm.ErrCorrupt},
		"one more":            {atParticipants, []byte{1, 4, 0, 0}, shm.ErrCorrupt},
		"table elsewhere":     {atTable, le(512), shm.ErrCorrupt},
		"heap elsewhere":      {atHeap, le(1 << 20), shm.ErrCorrupt},
		"heap beyond all":     {atHeap, le(1 << 62), shm.ErrCorrupt},
	} {
		s, dir, path := named(t, "n", 1<<16)
		require.NoError(t, s.Close())
		patch(t, path, c.off, c.b...)
		_, err := shm.Open("n", dir)
		require.ErrorIs(t, err, c.want, what)
		_, err = shm.Open("n", dir, shm.Observe())
		require.ErrorIs(t, err, c.want, what)
		require.ErrorContains(t, err, `shm: open "n"`)
	}
}

func TestATruncatedSegmentIsSaidToBeTruncated(t *testing.T) {
	s, dir, path := named(t, "n", 1<<16)
	size := s.Size()
	require.NoError(t, s.Close())
	for _, cut := range []int64{size - 1, size / 2, 4096, headerSize, headerSize - 1, atHeap, atLayout, atLayout - 1, atParticipants, atParticipants - 1, atVersion} {
		require.NoError(t, os.Truncate(path, cut))
		_, err := shm.Open("n", dir)
		require.ErrorIs(t, err, shm.ErrTruncated, "%d of %d bytes", cut, size)
	}
	require.NoError(t, os.Truncate(path, atVersion-1))
	_, err := shm.Open("n", dir)
	require.ErrorIs(t, err, shm.ErrNotSegment, "the magic is cut off")
}

func TestALongerFileIsAsGood(t *testing.T) {
	s, dir, path := named(t, "n", 1<<16)
	require.NoError(t, os.Truncate(path, s.Size()+12345))
	other, err := shm.Open("n", dir)
	other = closed(t, other, err)
	require.Equal(t, s.Size(), other.Size())
}

func TestAFileOfAnotherUserIsRefusedUnlessNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	_, dir, path := named(t, "n", 1<<16)
	const stranger = 12345
	require.NoError(t, os.Chown(path, stranger, -1))
	_, err := shm.Open("n", dir)
	require.ErrorIs(t, err, shm.ErrOwner)
	require.ErrorContains(t, err, "uid 12345")
	_, err = shm.OpenOrCreate("n", 1<<16, dir)
	require.ErrorIs(t, err, shm.ErrOwner)
	_, err = shm.Open("n", dir, shm.Owner(stranger+1))
	require.ErrorIs(t, err, shm.ErrOwner)
	s, err := shm.Open("n", dir, shm.Owner(stranger))
	closed(t, s, err)
	require.NoError(t, os.Chown(path, 0, -1))
	s, err = shm.Open("n", dir, shm.Owner(stranger))
	closed(t, s, err)
}

func TestATableOfOneIsFullWithOne(t *testing.T) {
	s, dir, _ := named(t, "n", 1<<16, shm.Participants(1))
	_, err := shm.Open("n", dir)
	require.ErrorIs(t, err, shm.ErrFull)
	_, err = shm.OpenOrCreate("n", 1<<16, dir)
	require.ErrorIs(t, err, shm.ErrFull)
	require.NoError(t, s.Close())
	other, err := shm.Open("n", dir)
	closed(t, other, err)
}

// A removed segment whose slots are all held is being removed: it is not full, it is gone.
func TestASegmentThatWasRemovedDuringOpenIsNotThere(t *testing.T) {
	s, dir, path := named(t, "n", 1<<16, shm.Participants(1))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, shm.Unlink("n", dir))
	other, err := shm.OpenOrCreate("n", 1<<16, dir)
	other = closed(t, other, err)
	require.NotEqual(t, s.ID(), other.ID())
}
